import { readdirSync, readFileSync } from 'node:fs';
import { specifications } from '../../src/config/settings.ts';

const config = new URL('../../src/config/', import.meta.url);

/** The parts of the comment above a setting, and the bounds of its validator. */
export type DocumentedSetting = {
  readonly name: string;
  /** The sentence above the group of the setting. */
  readonly group: string;
  /** The file of the group. */
  readonly file: string;
  readonly text: string;
  readonly tooLow: string | null;
  readonly tooHigh: string | null;
  readonly byDefault: string;
  /** The range in the comment; null if the comment has none. */
  readonly range: string | null;
  /** True if the range applies to each item of a list. */
  readonly isRangeOfEach: boolean;
  readonly env: string;
  /** The range in the code, which the validator accepts. */
  readonly accepts: { readonly min: string; readonly max: string } | null;
};

const GROUP = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport const \w+ = \{\n/g;
const SETTING = /^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n {2}([A-Z_]+): (.*(?:\n {4}.*)*)/gm;

/** The settings of all files in src/config, by their names. */
export function documentedSettings(): ReadonlyMap<string, DocumentedSetting> {
  const found = readdirSync(config).flatMap((file) => {
    const source = readFileSync(new URL(file, config), 'utf8');
    const [group] = source.matchAll(GROUP);
    const origin = { file: `src/config/${file}`, group: textOf(group?.[1] ?? '').replace(/\.$/, '') };
    return [...source.matchAll(SETTING)].map(([, comment, name, code]) => ({
      ...origin,
      ...documented(name!, textOf(comment!), code!),
    }));
  });
  return new Map(found.map((setting) => [setting.name, setting]));
}

function documented(name: string, comment: string, code: string): Omit<DocumentedSetting, 'group' | 'file'> {
  const [text = '', facts = ''] = comment.split(' @default ');
  const [, byDefault = '', ofWhat, range, env = ''] =
    /^(.*?)\.(?: (Range|Each) (.*?)\.)? Env ([A-Z_]+)\.$/.exec(facts) ?? [];
  const [, min, max] = /^\w+\(\s*([\d_.]+),\s*([\d_.]+),?\s*\)/.exec(code) ?? [];
  return {
    name,
    text: text.split(/ ?Too (?:low|high): /)[0]!,
    tooLow: /Too low: (.*?)(?= Too high: |$)/.exec(text)?.[1] ?? null,
    tooHigh: /Too high: (.*?)(?= Too low: |$)/.exec(text)?.[1] ?? null,
    byDefault,
    range: range ?? null,
    isRangeOfEach: ofWhat === 'Each',
    env,
    accepts: min === undefined || max === undefined ? null : { min, max },
  };
}

/** The text of a comment in one line, without its stars. */
function textOf(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\*?\s*/, '').trim())
    .join(' ')
    .trim();
}

const INTRODUCTION = `# Settings

This page answers: which settings are there, and what goes wrong when one is too low or too high?

<!-- Written from src/config by: UPDATE_DOCS=1 npx vitest run test/architecture/docs.test.ts -->

- A setting is an environment variable. Every command also reads the file \`.env\` in its working folder. A variable of the
  environment wins, also an empty one. Empty means unset.
- A setting whose name ends in \`_MS\`, \`_HOURS\` or \`_DAYS\` is a duration. A plain number is in the unit of the name. You may
  also write a unit: \`500ms\`, \`2s\`, \`5m\`, \`1h\` or \`1d\`.
- If a setting is wrong, or \`.env\` cannot be read, the program names everything that is wrong, and does not start.
- If \`.env\` has a name that is no setting, the program warns and starts. In the environment, it warns of a name only if
  the name is close to a setting. \`worker\` and \`up\` write warnings to the log (\`setting.unknown\`), other commands to
  standard error. Names that other programs read from \`.env\`, such as \`PGPASSWORD\`, are left alone.
- [Upgrading](upgrading.md#settings-with-new-names) lists settings that have a new name. Their old names work for one version.
`;

/** All of docs/settings.md. */
export function settingsPage(): string {
  const documented = documentedSettings();
  const settings = Object.keys(specifications).map((name) => documented.get(name)!);
  const groups = [...new Set(settings.map(({ group }) => group))];
  const details = groups.flatMap((group) => {
    const inGroup = settings.filter((setting) => setting.group === group);
    return [`## ${group}`, `Source: \`${inGroup[0]!.file}\`.`, ...inGroup.map(detailOf)];
  });
  const table = ['| setting | default | what it is |', '|---|---|---|', ...settings.map(rowOf)].join('\n');
  return `${[INTRODUCTION, `## All settings\n\n${table}`, ...details, READ_ON].join('\n\n').replace(/\n{3,}/g, '\n\n')}\n`;
}

const READ_ON = `## Read on

- [Endpoint health](endpoint-health.md#all-waits-and-delays): all waits and delays, with those that are no setting.
- [Permissions](permissions.md): the rights of the users that these settings name.`;

/** The default and the description of a setting in the code. */
export function specificationOf(name: string): { readonly default: unknown; readonly desc: string } {
  return specifications[name as keyof typeof specifications] as never;
}

function rowOf(setting: DocumentedSetting): string {
  const { name, byDefault } = setting;
  const value = byDefault === 'none' && !isValue(setting) ? '' : defaultText(setting);
  return `| [\`${name}\`](#${name.toLowerCase()}) | ${value} | ${specificationOf(name).desc} |`;
}

function detailOf(setting: DocumentedSetting): string {
  const { name, text, tooLow, tooHigh, range, isRangeOfEach } = setting;
  const rangeText = range === null ? '' : ` ${isRangeOfEach ? 'Each' : 'Range'}: ${plain(range)}.`;
  const facts = [`- Default: ${defaultText(setting)}.${rangeText}`];
  if (tooLow !== null) facts.push(`- Too low: ${tooLow}`);
  if (tooHigh !== null) facts.push(`- Too high: ${tooHigh}`);
  return `### \`${name}\`\n\n${withNamesAsCode([text, '', ...facts].join('\n'))}`;
}

/** True if the default in the comment is the default in the code. */
function isValue({ name, byDefault }: DocumentedSetting): boolean {
  const value = specificationOf(name).default;
  return plain(byDefault) === (Array.isArray(value) && value.length > 0 ? value.join(',') : String(value));
}

function defaultText(setting: DocumentedSetting): string {
  const text = plain(setting.byDefault);
  return isValue(setting) ? `\`${text}\`` : text.replace(/(?<!`)\S*<[A-Z_a-z]+>\S*/g, '`$&`');
}

function withNamesAsCode(text: string): string {
  return text.replace(/(?<![`<\w])[A-Z]+(?:_[A-Z]+)*(?![`>\w])/g, (word) =>
    word in specifications ? `\`${word}\`` : word,
  );
}

/** Removes the underscores of numbers such as 30_000. */
function plain(text: string): string {
  return text.replace(/(?<=\d)_(?=\d)/g, '');
}
