/** A row of `rule_webhooks`, as far as deliveries go. */
export type EndpointRow = {
  readonly id: number;
  readonly name: string;
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of one attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** The first attempt counts. */
  readonly maxAttempts: number;
  /** Before the second attempt, in milliseconds. */
  readonly retryDelayMs: number;
  /** How much longer each further delay is. At least 1. */
  readonly retryMultiplier: number;
  readonly enabled: boolean;
  /** Why it is not enabled, where somebody said; for a person. */
  readonly disabledReason: string | null;
  /** May hold NATS wildcards. */
  readonly natsSubject: string | null;
  /** Of the events that it wants, with wildcards; null: all. */
  readonly eventTypes: readonly string[] | null;
  /** Of answers that count as delivered beside 2xx; null: none. */
  readonly successStatuses: readonly number[] | null;
  /** What is sent in place of the payload; null: the payload. */
  readonly bodyTemplate: string | null;
  /** A JSON object, appended to the URL's query; null: nothing. As text, so that numbers keep their digits. */
  readonly params: string | null;
  readonly paused: boolean;
  readonly pausedReason: string | null;
  /** Attempts under way at once, over all workers of the group; null: as the settings say. */
  readonly maxConcurrency: number | null;
  /** Requests a second, over all workers of the group; null: as the settings say. */
  readonly rateLimit: number | null;
  /** The newest first; none: requests are not signed. Never shown. */
  readonly secrets: readonly string[];
  /** Whether `X-Hub-Signature-256` is sent, too. */
  readonly hubSignature: boolean;
  /** Since when it answers nothing but failures, in milliseconds since 1970; null: it does not. */
  readonly failingSince: number | null;
  /** What is wrong with the row, and the cure; null: nothing. */
  readonly problem: string | null;
};
