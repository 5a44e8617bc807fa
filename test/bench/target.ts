/** What a program that is compared with our worker is told, as JSON in its first argument. */
export type BenchTarget = {
  readonly servers: readonly string[];
  readonly user: string | undefined;
  readonly pass: string | undefined;
  readonly stream: string;
  readonly durable: string;
  readonly concurrency: number;
  /** Where a message goes whose URL is not read. */
  readonly url: string;
  /** Begins the `webhook-id`s, so that those of two runs differ. */
  readonly idPrefix: string;
};

export function benchTarget(): BenchTarget {
  return JSON.parse(process.argv[2]!) as BenchTarget;
}
