import { execFile } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type ChaosCase, now } from './case.ts';
import { ACK_WAIT_MS } from './worker-settings.ts';

const accountConfig = (jetstream: 'enabled' | 'disabled') =>
  `accounts { A { jetstream: ${jetstream}, users: [ { user: all, password: all } ] } }, no_auth_user: all`;

export const NATS_CASES: readonly ChaosCase[] = [
  {
    name: 'nats-server killed (kill -9) and restarted',
    short: true,
    large: true,
    injections: { times: [2, 4] },
    async inject({ nodes, restart }, { forMs }) {
      await nodes.get('n1')!.kill();
      await wait(forMs);
      await restart('n1');
      return now();
    },
  },
  {
    name: 'nats-server stopped (SIGSTOP) for longer than ACK_WAIT_MS, then continued',
    injections: { forMs: [1.3 * ACK_WAIT_MS, 3 * ACK_WAIT_MS] },
    async inject({ nodes }, { forMs }) {
      const { pid } = nodes.get('n1')!;
      process.kill(pid, 'SIGSTOP');
      await wait(forMs);
      process.kill(pid, 'SIGCONT');
      return now();
    },
  },
  {
    name: "nats-server's disk full, then space and a restart",
    injections: { forMs: [2000, 4000] },
    async inject({ nodes, restart }, { forMs }) {
      // Limits the size of the server's files until its process ends. Writes fail as they do on a full disk.
      await promisify(execFile)('prlimit', ['--pid', String(nodes.get('n1')!.pid), '--fsize=20000:']);
      await wait(forMs);
      await restart('n1');
      return now();
    },
  },
  {
    name: 'JetStream disabled for the account, then enabled',
    scene: { config: accountConfig('enabled') },
    injections: { forMs: [1000, 4000] },
    async inject({ reload }, { forMs }) {
      await reload(accountConfig('disabled'));
      await wait(forMs);
      await reload(accountConfig('enabled'));
      return now();
    },
  },
];
