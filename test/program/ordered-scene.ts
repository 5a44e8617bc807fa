import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import type { Scene } from './scene.ts';

export type Seen = { readonly n: number; readonly isTaken: boolean };

/** An endpoint that notes what comes of each key, and takes what it is told to. */
export async function startOrderedEndpoint(
  takes: (what: { key: string; n: number; request: number }) => boolean,
) {
  const byKey = new Map<string, Seen[]>();
  let request = 0;
  const server = createServer(async (incoming, response) => {
    const { key, n } = JSON.parse((await buffer(incoming)).toString());
    const isTaken = takes({ key, n, request: ++request });
    byKey.set(key, [...(byKey.get(key) ?? []), { n, isTaken }]);
    response.writeHead(isTaken ? 200 : 500).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUpAfter(() => {
    server.close();
    server.closeAllConnections();
  });
  const seen = (key: string) => byKey.get(key) ?? [];
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    /** What it took of a key, each once. */
    taken: (key: string) => new Set(seen(key).flatMap(({ n, isTaken }) => (isTaken ? [n] : []))).size,
  };
}

/** What was out of order: neither the same message once more, nor the next one after it was taken. */
export function outOfOrder(seen: readonly Seen[]): readonly Seen[] {
  let last: Seen = { n: 0, isTaken: true };
  return seen.filter((each) => {
    const isRight = each.n === last.n || (each.n === last.n + 1 && last.isTaken);
    last = each.n === last.n ? { n: each.n, isTaken: each.isTaken || last.isTaken } : each;
    return !isRight;
  });
}

/** Stores messages 1 to `count` of each key, a number after the other. */
export async function publishOrdered(scene: Scene, url: string, keys: readonly string[], count: number) {
  for (let n = 1; n <= count; n++) {
    await Promise.all(
      keys.map((key) =>
        scene.publish({ webhook_url: url, data: { key, n } }, { subject: `webhooks.ordered.${key}` }),
      ),
    );
  }
}

export async function orderedDrained({ manager }: Pick<Scene, 'manager'>): Promise<void> {
  await until(async () => (await manager.streams.info('WEBHOOKS_ORDERED')).state.messages === 0);
}
