import { Pool } from 'undici';

export type Load = {
  readonly url: string;
  readonly path: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Requests in flight at once, each on a connection of its own. */
  readonly connections: number;
  readonly milliseconds: number;
};

/** What a load saw. Latencies in milliseconds. */
export type Seen = {
  readonly requests: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  /** Answers other than the expected status. */
  readonly others: number;
};

/** Sends requests as fast as the answers come. @param expected The status of a success. */
export async function load(
  { url, path, body, headers, connections, milliseconds }: Load,
  expected: number,
): Promise<Seen> {
  const pool = new Pool(url, { connections, pipelining: 1 });
  const latencies: number[] = [];
  let others = 0;
  const startedAt = performance.now();
  const endAt = startedAt + milliseconds;
  const one = async () => {
    while (performance.now() < endAt) {
      const sentAt = performance.now();
      const { statusCode, body: answer } = await pool.request({
        method: 'POST',
        path,
        body,
        headers,
      });
      await answer.dump();
      latencies.push(performance.now() - sentAt);
      if (statusCode !== expected) others += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, one));
  const seconds = (performance.now() - startedAt) / 1000;
  await pool.close();
  latencies.sort((one, other) => one - other);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  return { requests: latencies.length, seconds, p50: at(0.5), p99: at(0.99), others };
}
