import { randomInt } from 'node:crypto';
import { parseRange, parseRate } from '../../load/amounts.ts';
import { LEAST_PAYLOAD_BYTES } from '../../load/payload.ts';
import type { PlanOptions, Range } from '../../load/plan.ts';
import { SAMPLES, type Sample } from '../../load/samples.ts';
import type { ReceiverOptions } from '../../receiver/receiver.ts';
import { durationFlag, parseFlags, wholeNumberFlag } from '../../runtime/command.ts';
import { errorMessage, UserError } from '../../runtime/failure.ts';
import { type LoadEvent, readEvents } from './events.ts';

/** About 200 bytes of memory each. */
const MOST_MESSAGES = 1_000_000;
const DAY_MS = 86_400_000;
const DEFAULT_API = 'http://127.0.0.1:8080';
const DEFAULT_DURATION_MS = 10_000;

export type LoadFlags = {
  readonly plan: PlanOptions;
  /** How messages are handed over. `apiKey`: null: that of API_KEY; without it, the API is open. */
  readonly via: 'nats' | 'outbox' | { readonly api: string; readonly apiKey: string | null };
  /** The share of the transactions that are rolled back, 0 to 1. */
  readonly rollback: number;
  /** The kind of events; null: `events`, or payloads of `--size` bytes. */
  readonly sample: Sample | null;
  /** The payloads; null: payloads that `load` makes. */
  readonly events: readonly LoadEvent[] | null;
  /** Options of the receiver, and the URL under which workers reach it; null: no receiver. */
  readonly receiver: (ReceiverOptions & { readonly url: string | null }) | null;
  /** The endpoint in each message; null: the receiver, or none. */
  readonly url: string | null;
  /** The last token of the subject. Of invoices: what stands before the business in it. */
  readonly name: string;
  readonly waitMs: number;
  readonly verify: boolean;
  readonly json: boolean;
};

const usage = (message: string) => new UserError(message, { exitCode: 2 });

/** @throws {UserError} that names the flag that is wrong. */
export async function readLoadFlags(args: string[]): Promise<LoadFlags> {
  const { sample, rest } = sampleOf(args);
  const { values } = parseFlags({
    args: rest,
    options: {
      via: { type: 'string' },
      api: { type: 'string' },
      'api-key': { type: 'string' },
      rate: { type: 'string' },
      count: { type: 'string' },
      duration: { type: 'string' },
      burst: { type: 'string', default: '1' },
      size: { type: 'string' },
      seed: { type: 'string' },
      rollback: { type: 'string' },
      file: { type: 'string' },
      receiver: { type: 'boolean', default: false },
      'receiver-url': { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      'delay-ms': { type: 'string' },
      'fail-first': { type: 'string' },
      url: { type: 'string' },
      name: { type: 'string' },
      wait: { type: 'string', default: '90s' },
      verify: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const { receiver, url = null, verify, json } = values;
  const name = values.name ?? (receiver || url !== null ? undefined : (sample ?? undefined));
  if ([receiver, url !== null, name !== undefined].filter(Boolean).length !== 1)
    throw usage(
      'Give one of --receiver (an endpoint of its own), --url (an endpoint of yours) and --name (a row of rule_webhooks).',
    );
  if (url !== null && !URL.canParse(url)) throw usage(`--url: "${url}" is not a URL`);
  if (verify && !receiver)
    throw usage('--verify needs --receiver: only its own receiver can count what arrives.');
  const lonely = (['receiver-url', 'host', 'port', 'delay-ms', 'fail-first'] as const).find(
    (flag) => values[flag] !== undefined,
  );
  if (lonely !== undefined && !receiver) throw usage(`--${lonely} needs --receiver.`);
  if (values.file !== undefined && values.size !== undefined)
    throw usage('--size is the size of payloads that `load` makes; --file has its own payloads.');
  if (sample !== null && (values.file ?? values.size) !== undefined)
    throw usage(`--${values.file === undefined ? 'size' : 'file'}: a sample makes its own payloads.`);
  const via = viaOf({ ...values, via: values.via ?? (sample === 'invoices' ? 'outbox' : 'nats') });
  if (sample === 'invoices' && via !== 'outbox')
    throw usage(
      '--via: the sample invoices needs the outbox, because each event is written with its invoice.',
    );
  if (values.rollback !== undefined && via !== 'outbox')
    throw usage('--rollback needs --via outbox: only a transaction can be rolled back.');
  const events = values.file === undefined ? null : await readEvents(values.file);
  return {
    via,
    rollback: rollbackOf(values.rollback ?? '0'),
    sample,
    plan: planOptions({ ...values, events, sample }),
    events,
    receiver: receiver ? receiverOptions(values) : null,
    url,
    name: name ?? (sample === 'invoices' ? sample : 'load'),
    waitMs: durationFlag('wait', values.wait, { min: 1000, max: DAY_MS }),
    verify,
    json,
  };
}

/** `load sample payments …` */
function sampleOf(args: readonly string[]): { sample: Sample | null; rest: string[] } {
  const [first, kind, ...rest] = args;
  if (first !== 'sample') return { sample: null, rest: [...args] };
  const sample = SAMPLES.find((known) => known === kind);
  if (sample === undefined)
    throw usage(`load sample: "${kind ?? ''}" is no sample; the samples are ${SAMPLES.join(', ')}`);
  return { sample, rest };
}

function viaOf({
  via,
  api,
  'api-key': apiKey,
}: {
  readonly via: string;
  readonly api?: string | undefined;
  readonly 'api-key'?: string | undefined;
}): LoadFlags['via'] {
  if (via !== 'nats' && via !== 'http' && via !== 'outbox')
    throw usage(`--via: "${via}" is not nats, http or outbox`);
  if (via !== 'http') {
    if ((api ?? apiKey) !== undefined)
      throw usage(`--${api === undefined ? 'api-key' : 'api'} needs --via http.`);
    return via;
  }
  const origin = api ?? DEFAULT_API;
  if (!/^https?:$/.test(protocolOf(origin))) throw usage(`--api: "${origin}" is not an http URL`);
  return { api: origin, apiKey: apiKey ?? null };
}

type PlanTexts = {
  readonly rate?: string | undefined;
  readonly burst: string;
  readonly count?: string | undefined;
  readonly duration?: string | undefined;
  readonly size?: string | undefined;
  readonly seed?: string | undefined;
  readonly events: readonly unknown[] | null;
  readonly sample: Sample | null;
};

function planOptions({ rate, burst, count, duration, size, seed, events, sample }: PlanTexts): PlanOptions {
  const wanted = {
    perSecond: parsed('rate', () => parseRate(rate ?? (sample === null ? '100' : '30s'))),
    burst: rangeFlag('burst', burst, [1, 100_000]),
    size: rangeFlag('size', size ?? '300', [LEAST_PAYLOAD_BYTES, 64_000_000]),
    seed: seed === undefined ? randomInt(2 ** 32) : wholeNumberFlag('seed', seed, 0, 2 ** 32 - 1),
  };
  if (count === undefined && duration === undefined) {
    // A sample goes on until Ctrl-C.
    if (sample !== null) return { ...wanted, count: MOST_MESSAGES, durationMs: null };
    return {
      ...wanted,
      count: events?.length ?? null,
      durationMs: events === null ? DEFAULT_DURATION_MS : null,
    };
  }
  const durationMs =
    duration === undefined ? null : durationFlag('duration', duration, { min: 1, max: DAY_MS });
  if (durationMs !== null && count === undefined && (durationMs * wanted.perSecond) / 1000 > MOST_MESSAGES)
    throw usage(`--duration: at this --rate there would be more than ${MOST_MESSAGES} messages in a run.`);
  return {
    ...wanted,
    count: count === undefined ? null : wholeNumberFlag('count', count, 1, MOST_MESSAGES),
    durationMs,
  };
}

function receiverOptions(
  values: {
    readonly [flag in 'receiver-url' | 'host' | 'port' | 'delay-ms' | 'fail-first']?: string | undefined;
  },
): LoadFlags['receiver'] {
  const { host, 'receiver-url': url = null } = values;
  if (url !== null && !URL.canParse(url)) throw usage(`--receiver-url: "${url}" is not a URL`);
  return {
    url,
    ...(host !== undefined && { host }),
    port: wholeNumberFlag('port', values.port ?? '0', 0, 65_535),
    delayMs: durationFlag('delay-ms', values['delay-ms'] ?? '0', { min: 0, max: 600_000 }),
    failFirst: wholeNumberFlag('fail-first', values['fail-first'] ?? '0', 0, 1_000_000),
  };
}

function rollbackOf(text: string): number {
  const share = /^\s*(\d+(\.\d*)?|\.\d+)\s*$/.test(text) ? Number(text) : Number.NaN;
  if (share >= 0 && share <= 1) return share;
  throw usage(`--rollback: "${text}" is not a share from 0 to 1, such as 0.3`);
}

function rangeFlag(name: string, text: string, limits: Range): Range {
  return parsed(name, () => parseRange(text, limits));
}

function parsed<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw usage(`--${name}: ${errorMessage(error)}`);
  }
}

function protocolOf(url: string): string {
  return URL.canParse(url) ? new URL(url).protocol : '';
}
