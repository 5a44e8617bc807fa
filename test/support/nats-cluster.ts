import { join } from 'node:path';
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../../src/embedded/nats/server.ts';
import { freePort } from '../../src/embedded/process/ports.ts';

export interface NatsCluster {
  /** The nodes by name: `n1`, `n2`, …. JetStream names leaders and replicas so. */
  readonly nodes: ReadonlyMap<string, NatsServer>;
  /** The URLs of all nodes, separated by commas. */
  readonly url: string;
  /** Starts a stopped node again, on the same port with the same data. */
  restart(name: string): Promise<void>;
  stop(): Promise<void>;
}

export type NatsClusterOptions = Pick<NatsServerOptions, 'dataDir' | 'env' | 'log' | 'onProgress'> & {
  /** @default 3 */
  readonly size?: number;
};

/** A node in lame duck mode moves its clients after one second, instead of over minutes. */
const LAME_DUCK = 'lame_duck_grace_period: "1s", lame_duck_duration: "30s"';

/** Starts a cluster of nats-servers. They elect a leader soon after that, and a client has to wait for it. */
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
    // All nodes start at the same time, since each waits for the others.
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
