import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import type { Scene } from './scene.ts';

export type Seen = { readonly n: number; readonly isAccepted: boolean };

/** Starts an endpoint that records the requests of each ordering key, and answers 200 if `accepts` says so, else 500. */
export async function startOrderedEndpoint(
  accepts: (request: { key: string; n: number; request: number }) => boolean,
) {
  const byKey = new Map<string, Seen[]>();
  let request = 0;
  const server = createServer(async (incoming, response) => {
    const { key, n } = JSON.parse((await buffer(incoming)).toString());
    const isAccepted = accepts({ key, n, request: ++request });
    byKey.set(key, [...(byKey.get(key) ?? []), { n, isAccepted }]);
    response.writeHead(isAccepted ? 200 : 500).end();
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
    /** How many different messages of a key the endpoint has accepted. */
    accepted: (key: string) =>
      new Set(seen(key).flatMap(({ n, isAccepted }) => (isAccepted ? [n] : []))).size,
  };
}

/** The requests that were out of order. In order are a repeated message, and the next message after an accepted one. */
export function outOfOrder(seen: readonly Seen[]): readonly Seen[] {
  let last: Seen = { n: 0, isAccepted: true };
  return seen.filter((each) => {
    const isInOrder = each.n === last.n || (each.n === last.n + 1 && last.isAccepted);
    last = each.n === last.n ? { n: each.n, isAccepted: each.isAccepted || last.isAccepted } : each;
    return !isInOrder;
  });
}

/** Stores messages 1 to `count` of each key: first message 1 of all keys, then message 2 of all keys, and so on. */
export async function publishOrdered(scene: Scene, url: string, keys: readonly string[], count: number) {
  for (let n = 1; n <= count; n++) {
    await Promise.all(
      keys.map((key) =>
        scene.publish({ webhook_url: url, data: { key, n } }, { subject: `webhooks.ordered.${key}` }),
      ),
    );
  }
}

export async function allOrderedSettled({ manager }: Pick<Scene, 'manager'>): Promise<void> {
  await until(async () => (await manager.streams.info('WEBHOOKS_ORDERED')).state.messages === 0);
}
