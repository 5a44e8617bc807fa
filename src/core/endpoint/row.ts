/** The fields of a row of `rule_webhooks` that deliveries need. */
export type EndpointRow = {
  readonly id: number;
  readonly name: string;
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Counts the first attempt. */
  readonly maxAttempts: number;
  /** The delay before the second attempt, in milliseconds. */
  readonly retryDelayMs: number;
  /** Each further delay is this many times as long as the one before. At least 1. */
  readonly retryMultiplier: number;
  /** The delays before the second, third, … attempt, in milliseconds, in place of the two fields before; null: none. */
  readonly retrySchedule: readonly number[] | null;
  readonly enabled: boolean;
  /** Why the row is disabled, for a person; null: no reason was given. */
  readonly disabledReason: string | null;
  /** May hold NATS wildcards. Null: messages reach the row by its name. */
  readonly natsSubject: string | null;
  /** Types of the events that the endpoint accepts, with wildcards; null: all events. */
  readonly eventTypes: readonly string[] | null;
  /** HTTP statuses that count as delivered in addition to 2xx; null: none. */
  readonly successStatuses: readonly number[] | null;
  /** The template of the body; null: the payload is sent. */
  readonly bodyTemplate: string | null;
  /** A JSON object, appended to the URL's query; null: nothing is appended. As text, so that numbers keep their digits. */
  readonly params: string | null;
  readonly paused: boolean;
  readonly pausedReason: string | null;
  /** Attempts in flight at once, over all workers of the group; null: as in the settings. */
  readonly maxConcurrency: number | null;
  /** Requests per second, over all workers of the group; null: as in the settings. */
  readonly rateLimit: number | null;
  /** The newest first. Empty: requests are not signed. Never shown. */
  readonly secrets: readonly string[];
  /** True if `X-Hub-Signature-256` is also sent. */
  readonly hubSignature: boolean;
  /** Since this time every attempt at the endpoint has failed, in milliseconds since 1970; null: the endpoint is not failing. */
  readonly failingSince: number | null;
  /** What is wrong with the row, and the cure; null: the row is correct. */
  readonly problem: string | null;
};
