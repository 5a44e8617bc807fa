// A program that has nothing to do once it listens: `node listen-and-end.mjs <DATABASE_URL>`. It ends by itself, unless
// listening keeps it alive.
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
