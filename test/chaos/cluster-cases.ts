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
    name: 'three nodes: leader of stream and durable killed, later started again',
    scene,
    injections: { forMs: [2000, 4000] },
    inject: async (on, injection) => killNode(on, await streamLeader(on), injection),
  },
  {
    name: 'three nodes: leader of the cluster killed, later started again',
    scene,
    injections: { forMs: [2000, 4000] },
    inject: async (on, injection) => killNode(on, await metaLeader(on), injection),
  },
  {
    name: 'three nodes: lame duck mode, two in turn',
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

/** Started again a while later, so that the others have to do without it. */
async function killNode({ nodes, restart }: ChaosScene, name: string, { forMs }: Injection): Promise<null> {
  await nodes.get(name)!.kill();
  await wait(forMs);
  await restart(name);
  return null;
}

/** Once all three have all of the stream. */
async function streamLeader({ client }: ChaosScene): Promise<string> {
  for (;;) {
    const info = await client.manager.streams.info(STREAM).catch(() => null);
    const current = info?.cluster?.replicas?.filter((replica) => replica.current) ?? [];
    if (info?.cluster?.leader !== undefined && current.length === 2) return info.cluster.leader;
    await wait(100);
  }
}

/** The last one that said of itself that it is; only the system account could ask. */
async function metaLeader(on: ChaosScene): Promise<string> {
  await streamLeader(on);
  const logs = await Promise.all(
    [...on.nodes.keys()].map(async (name) => {
      const log = await readFile(join(on.folder(name), 'nats-server.log'), 'utf8');
      const said = log
        .split('\n')
        .filter((line) => line.includes('Self is new JetStream cluster metadata leader'));
      return { name, said: said.at(-1)?.split('] ')[1] ?? '' };
    }),
  );
  return logs.sort((a, b) => b.said.localeCompare(a.said))[0]!.name;
}
