/**
 * What a worker can do that workers of later versions, and programs that publish, must know. A worker writes these names into its
 * row before its first pull.
 */
export const FEATURES = [
  'instance-row',
  'configuration-hold',
  /** Reads `Webhook-Payload: bare`. */
  'bare-payload',
  /** Reads `Webhook-Endpoint-Id` of a published message. */
  'directed-message',
  /** Reads `Webhook-Name` of an ordered message. */
  'ordering-name',
  /** Reads `Webhook-Params`, `Webhook-Headers` and `Webhook-Max-Attempts`. */
  'message-parameters',
] as const;

export type Feature = (typeof FEATURES)[number];

type Plain = string | number | boolean | null;

/**
 * The settings that decide deliveries, by their names. Without secrets. A list whose order decides nothing is sorted, so that equal
 * settings are written the same way.
 */
export type DecidingSettings = Readonly<Record<string, Plain | readonly Plain[]>>;

/** What a worker says of itself in its row of `rule_nats_worker_instances`. */
export type InstanceDescription = {
  readonly version: string;
  readonly features: readonly string[];
  readonly settings: DecidingSettings;
};

/** The row of a worker that runs. */
export type LiveInstance = {
  readonly instanceId: string;
  /** CONSUMER_NAME. */
  readonly name: string;
  /** Null: a version that did not write this. */
  readonly version: string | null;
  /** Empty for an older version. May hold names of a newer version. */
  readonly features: readonly string[];
  /** Null: not known, because the version is older. */
  readonly settings: DecidingSettings | null;
};

/** A setting that is not the same in all workers. */
export type SettingDifference = {
  readonly setting: string;
  /** Each value, as text for a person, with the names of the workers that have it. */
  readonly values: readonly { readonly value: string; readonly workers: readonly string[] }[];
};

/** Where the settings of these workers differ. Workers of older versions, which do not say their settings, are left out. */
export function settingDifferences(instances: readonly LiveInstance[]): SettingDifference[] {
  const known = instances.filter((each) => each.settings !== null);
  const names = new Set(known.flatMap(({ settings }) => Object.keys(settings!)));
  return [...names].sort().flatMap((setting) => {
    // Peers of another version may not know the setting. Then nothing is known of its value there.
    const having = known.filter(({ settings }) => settings![setting] !== undefined);
    const byValue = new Map<string, string[]>();
    for (const { name, settings } of having) {
      const value = textOf(settings![setting]!);
      byValue.set(value, [...(byValue.get(value) ?? []), name]);
    }
    if (byValue.size < 2) return [];
    const values = [...byValue].map(([value, workers]) => ({ value, workers: [...workers].sort() }));
    return [{ setting, values }];
  });
}

/** The difference in one sentence: `ALLOWED_PRIVATE_CIDRS: none (a), 10.0.0.0/8 (b, c)`. */
export function describeDifference({ setting, values }: SettingDifference): string {
  return `${setting}: ${values.map(({ value, workers }) => `${value} (${workers.join(', ')})`).join(', ')}`;
}

function textOf(value: DecidingSettings[string]): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(' ');
  return value === null ? 'none' : String(value);
}
