// A program that starts both servers and keeps a session open: `node start-servers.mjs <folder>`.
import pg from 'pg';
import { startNatsServer } from '../../../dist/embedded/nats/server.js';
import { startPostgres } from '../../../dist/embedded/postgres/server.js';

const options = { env: process.env, log: console.log, port: 0 };
console.log('starting');
const nats = await startNatsServer({ ...options, dataDir: `${process.argv[2]}/nats` });
const postgres = await startPostgres({ ...options, dataDir: `${process.argv[2]}/postgres`, fsync: false });
const client = new pg.Client(postgres.url);
client.on('error', () => {});
await client.connect();
console.log(`servers ${nats.pid} ${postgres.pid}`);
