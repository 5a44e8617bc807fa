import { join } from 'node:path';
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../../src/embedded/nats/server.ts';
import { freePort } from '../../src/embedded/process/ports.ts';

export interface NatsCluster {
  /** By name: `n1`, `n2`, …, as they stand in what JetStream says of leaders and replicas. */
  readonly nodes: ReadonlyMap<string, NatsServer>;
  /** Of all nodes, comma-separated. */
  readonly url: string;
  /** Starts a node that has ended, with its data, on its port. */
  restart(name: string): Promise<void>;
  stop(): Promise<void>;
}

export type NatsClusterOptions = Pick<NatsServerOptions, 'dataDir' | 'env' | 'log' | 'onProgress'> & {
  /** @default 3 */
  readonly size?: number;
};

/** How soon a node in lame duck mode moves its clients: after a second, and not over minutes as with many clients. */
const LAME_DUCK = 'lame_duck_grace_period: "1s", lame_duck_duration: "30s"';

/** Starts nats-servers that are one cluster. They agree on a leader soon after: a client has to wait for that. */
export async function startNatsCluster({ size = 3, ...options }: NatsClusterOptions): Promise<NatsCluster> {
  const names = Array.from({ length: size }, (_, index) => `n${index + 1}`);
  const routes: number[] = [];
  for (const _ of names) routes.push(await freePort());
  const routeUrls = routes.map((port) => `nats://127.0.0.1:${port}`).join(', ');

  const start = (name: string, port: number) =>
    startNatsServer({
      ...options,
      dataDir: join(options.dataDir, name),
      port,
      extraConfig: `server_name: ${name}, ${LAME_DUCK}
cluster { name: embedded, listen: "127.0.0.1:${routes[names.indexOf(name)]}", routes: [${routeUrls}] }`,
    });
  const nodes = new Map<string, NatsServer>();
  const stop = async () => {
    await Promise.all([...nodes.values()].map((node) => node.stop()));
  };
  try {
    // At the same time: one alone waits for the others.
    const started = await Promise.allSettled(names.map((name) => start(name, 0)));
    for (const [index, node] of started.entries())
      if (node.status === 'fulfilled') nodes.set(names[index]!, node.value);
    const failed = started.find((node) => node.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    nodes,
    url: [...nodes.values()].map(({ url }) => url).join(','),
    async restart(name) {
      const ended = nodes.get(name)!;
      await ended.stop();
      nodes.set(name, await start(name, ended.port));
    },
    stop,
  };
}
