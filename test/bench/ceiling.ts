import type { BenchEndpoint } from './endpoint.ts';
import type { GeneratorTarget } from './generator.ts';
import { startBenchProcess } from './process.ts';
import { EVENT } from './queue.ts';
import { leftOut, WARM_UP } from './run.ts';
import { inherited } from './variants.ts';

/**
 * Measures how many requests per second the receiver accepts from a loop that only sends, with as many requests in flight as a
 * worker has slots. The receiver limits a worker near this rate. The warm-up and the first fifth are left out, as for a worker.
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
  const { reached: first } = await endpoint.afterRequests(WARM_UP + leftOut(requests));
  const { reached: ended } = await endpoint.afterRequests(WARM_UP + requests);
  const file = new URL('./generator.js', import.meta.url);
  const generator = startBenchProcess('the generator', file, [JSON.stringify(target)], inherited());
  try {
    const [start, end] = await Promise.race([Promise.all([first, ended]), generator.failed]);
    return (requests - leftOut(requests)) / ((end.at - start.at) / 1000);
  } finally {
    await generator.stop();
  }
}
