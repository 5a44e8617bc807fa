import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Fault } from '../load/fault-run.ts';
import { ACK_WAIT_MS, DURABLE, type FaultScene, type FaultSceneOptions, STREAM } from './fault-scene.ts';

/** One row of the table: what it needs, and what breaks. */
export type FaultCase = Pick<Fault, 'name' | 'cure'> & {
  readonly nodes: 1 | 3;
  readonly config?: FaultSceneOptions['config'];
  /** With a PostgreSQL, which `strike` may kill. */
  readonly database?: boolean;
  readonly strike: (scene: FaultScene, database: FaultDatabase | null) => Promise<number>;
};

export type FaultDatabase = { kill(): Promise<void>; restart(): Promise<void> };

/** How long something stands still or is away, in milliseconds. */
const BROKEN_MS = 2 * ACK_WAIT_MS;
const AWAY_MS = 3000;
const account = (jetstream: 'enabled' | 'disabled') =>
  `accounts { A { jetstream: ${jetstream}, users: [ { user: all, password: all } ] } }, no_auth_user: all`;
const now = () => performance.now();

export const FAULT_CASES: readonly FaultCase[] = [
  {
    name: 'durable deleted',
    cure: 'worker',
    nodes: 1,
    async strike({ client }) {
      await client.manager.consumers.delete(STREAM, DURABLE);
      return now();
    },
  },
  {
    name: 'stream deleted, empty',
    cure: 'worker',
    nodes: 1,
    async strike({ client, load }) {
      // What waits in it would go with it.
      await load.quiet();
      await client.manager.streams.delete(STREAM);
      load.resume();
      return now();
    },
  },
  {
    name: 'stream full',
    cure: 'room made',
    nodes: 1,
    async strike({ client, workers }) {
      for (const worker of workers) worker.pause();
      const { state } = await client.manager.streams.info(STREAM);
      await client.manager.streams.update(STREAM, { max_msgs: state.messages + 10 });
      await wait(AWAY_MS);
      await client.manager.streams.update(STREAM, { max_msgs: -1 });
      for (const worker of workers) worker.resume();
      return now();
    },
  },
  {
    name: 'nats-server killed',
    cure: 'started again',
    nodes: 1,
    async strike({ nodes, restart }) {
      await nodes.get('n1')!.kill();
      await restart('n1');
      return now();
    },
  },
  {
    name: `nats-server stopped (SIGSTOP) for ${BROKEN_MS / 1000} s`,
    cure: 'SIGCONT',
    nodes: 1,
    async strike({ nodes }) {
      const { pid } = nodes.get('n1')!;
      process.kill(pid, 'SIGSTOP');
      await wait(BROKEN_MS);
      process.kill(pid, 'SIGCONT');
      return now();
    },
  },
  {
    name: "nats-server's disk full",
    cure: 'room and restart',
    nodes: 1,
    async strike({ nodes, restart }) {
      // A limit on the size of its files, which ends with the process: writes fail as they do on a full disk.
      await promisify(execFile)('prlimit', ['--pid', String(nodes.get('n1')!.pid), '--fsize=20000:']);
      await wait(AWAY_MS);
      await restart('n1');
      return now();
    },
  },
  {
    name: 'JetStream switched off for the account',
    cure: 'switched on',
    nodes: 1,
    config: account('enabled'),
    async strike({ reload }) {
      await reload(account('disabled'));
      await wait(AWAY_MS);
      await reload(account('enabled'));
      return now();
    },
  },
  {
    name: 'one of two workers killed',
    cure: 'the other',
    nodes: 1,
    async strike({ workers }) {
      await workers[0]!.stop();
      return now();
    },
  },
  {
    name: `one of two workers stopped (SIGSTOP) for ${BROKEN_MS / 1000} s`,
    cure: 'the other',
    nodes: 1,
    async strike({ workers }) {
      const at = now();
      workers[0]!.pause();
      await wait(BROKEN_MS);
      workers[0]!.resume();
      return at;
    },
  },
  {
    name: 'PostgreSQL killed',
    cure: 'started again',
    nodes: 1,
    database: true,
    async strike(_scene, database) {
      const at = now();
      await database!.kill();
      await wait(AWAY_MS);
      await database!.restart();
      return at;
    },
  },
  {
    name: 'three nodes: leader of stream and durable killed',
    cure: 'the others',
    nodes: 3,
    strike: async (scene) => killNode(scene, await streamLeader(scene)),
  },
  {
    name: 'three nodes: leader of the cluster killed',
    cure: 'the others',
    nodes: 3,
    strike: async (scene) => killNode(scene, await metaLeader(scene)),
  },
  {
    name: 'three nodes: lame duck mode, each in turn',
    cure: 'the others',
    nodes: 3,
    async strike(scene) {
      let at = now();
      for (const [name, node] of scene.nodes) {
        at = now();
        process.kill(node.pid, 'SIGUSR2');
        await node.exited;
        await scene.restart(name);
        await streamLeader(scene);
      }
      return at;
    },
  },
];

/** Killed, and started again a while later, so that the others have to do without it. */
async function killNode({ nodes, restart }: FaultScene, name: string): Promise<number> {
  const at = now();
  await nodes.get(name)!.kill();
  await wait(AWAY_MS);
  await restart(name);
  return at;
}

/** Once all three have all of the stream. */
async function streamLeader({ client }: FaultScene): Promise<string> {
  for (;;) {
    const info = await client.manager.streams.info(STREAM).catch(() => null);
    const current = info?.cluster?.replicas?.filter((replica) => replica.current) ?? [];
    if (info?.cluster?.leader !== undefined && current.length === 2) return info.cluster.leader;
    await wait(100);
  }
}

/** The last one that said of itself that it is; only the system account could ask. */
async function metaLeader(scene: FaultScene): Promise<string> {
  await streamLeader(scene);
  const logs = await Promise.all(
    [...scene.nodes.keys()].map(async (name) => {
      const log = await readFile(join(scene.folder(name), 'nats-server.log'), 'utf8');
      const said = log
        .split('\n')
        .filter((line) => line.includes('Self is new JetStream cluster metadata leader'));
      return { name, said: said.at(-1)?.split('] ')[1] ?? '' };
    }),
  );
  return logs.sort((a, b) => b.said.localeCompare(a.said))[0]!.name;
}
