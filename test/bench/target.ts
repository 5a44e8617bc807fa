/** The options of a program that is compared with our worker, as JSON in its first argument. */
export type BenchTarget = {
  readonly servers: readonly string[];
  readonly user: string | undefined;
  readonly pass: string | undefined;
  readonly stream: string;
  readonly durable: string;
  readonly concurrency: number;
  /** The URL for a program that does not read the URL of a message. */
  readonly url: string;
  /** The `webhook-id`s begin with this text, so that they differ between runs. */
  readonly idPrefix: string;
};

export function benchTarget(): BenchTarget {
  return JSON.parse(process.argv[2]!) as BenchTarget;
}
