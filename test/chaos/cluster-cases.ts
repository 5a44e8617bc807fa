import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ChaosCase } from './case.ts';
import type { Injection } from './plan.ts';
import { STREAM } from './queue.ts';
import type { ChaosScene } from './scene.ts';

const scene = { nodes: 3 } as const;

export const CLUSTER_CASES: readonly ChaosCase[] = [
  {
    name: 'three nodes: leader of stream and durable killed, then restarted',
    scene,
    injections: { forMs: [2000, 4000] },
    inject: async (on, injection) => killNode(on, await streamLeader(on), injection),
  },
  {
    name: 'three nodes: leader of the cluster killed, then restarted',
    scene,
    injections: { forMs: [2000, 4000] },
    inject: async (on, injection) => killNode(on, await metaLeader(on), injection),
  },
  {
    name: 'three nodes: lame duck mode, two nodes in turn',
    scene,
    injections: { among: 3 },
    async inject(on, { whom }) {
      const names = [...on.nodes.keys()];
      for (const index of [whom, (whom + 1) % names.length]) {
        const node = on.nodes.get(names[index]!)!;
        process.kill(node.pid, 'SIGUSR2');
        await node.exited;
        await on.restart(names[index]!);
        await streamLeader(on);
      }
      return null;
    },
  },
];

/** Kills a node, and restarts it later, so that the other nodes must work without it. */
async function killNode({ nodes, restart }: ChaosScene, name: string, { forMs }: Injection): Promise<null> {
  await nodes.get(name)!.kill();
  await wait(forMs);
  await restart(name);
  return null;
}

/** Resolves to the leader when all three nodes have the whole stream. */
async function streamLeader({ client }: ChaosScene): Promise<string> {
  for (;;) {
    const info = await client.manager.streams.info(STREAM).catch(() => null);
    const current = info?.cluster?.replicas?.filter((replica) => replica.current) ?? [];
    if (info?.cluster?.leader !== undefined && current.length === 2) return info.cluster.leader;
    await wait(100);
  }
}

/** The node that logged last that it is the leader. Only the system account may ask the cluster. */
async function metaLeader(on: ChaosScene): Promise<string> {
  await streamLeader(on);
  const logs = await Promise.all(
    [...on.nodes.keys()].map(async (name) => {
      const log = await readFile(join(on.folder(name), 'nats-server.log'), 'utf8');
      const lines = log
        .split('\n')
        .filter((line) => line.includes('Self is new JetStream cluster metadata leader'));
      return { name, loggedAt: lines.at(-1)?.split('] ')[1] ?? '' };
    }),
  );
  return logs.sort((a, b) => b.loggedAt.localeCompare(a.loggedAt))[0]!.name;
}
