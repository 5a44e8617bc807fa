// A program that only listens for changes: `node listen-and-end.mjs <DATABASE_URL>`. It ends by itself, unless the listener
// keeps it alive.
import { listenForChanges } from '../../../dist/postgres/connection/listen.js';

const log = { info: console.log, warn: console.log };
const busy = setInterval(() => {}, 1000);
listenForChanges({
  url: process.argv[2],
  log,
  changed() {
    console.log('listens');
    clearInterval(busy);
  },
});
