import type { BenchEndpoint } from './endpoint.ts';
import type { GeneratorTarget } from './generator.ts';
import { startBenchProcess } from './process.ts';
import { EVENT } from './queue.ts';
import { leftOut, WARM_UP } from './run.ts';
import { inherited } from './variants.ts';

/**
 * How many requests a second the receiver takes from a loop that only sends, with as many under way at once as a worker has.
 * A worker near this rate is held back by the receiver and not by itself. The warm-up and the first fifth are left out, as they
 * are of a worker.
 */
export async function measureCeiling(
  endpoint: BenchEndpoint,
  requests: number,
  concurrency: number,
): Promise<number> {
  const target: GeneratorTarget = {
    url: `${endpoint.url}/hook`,
    requests: WARM_UP + requests,
    concurrency,
    body: JSON.stringify(EVENT),
  };
  const { reached: begun } = await endpoint.afterRequests(WARM_UP + leftOut(requests));
  const { reached: ended } = await endpoint.afterRequests(WARM_UP + requests);
  const file = new URL('./generator.js', import.meta.url);
  const generator = startBenchProcess('the generator', file, [JSON.stringify(target)], inherited());
  try {
    const [start, end] = await Promise.race([Promise.all([begun, ended]), generator.failed]);
    return (requests - leftOut(requests)) / ((end.at - start.at) / 1000);
  } finally {
    await generator.stop();
  }
}
