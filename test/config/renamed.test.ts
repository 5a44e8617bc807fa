import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RENAMED } from '../../src/config/renamed.ts';
import { settingsFrom, specifications } from '../../src/config/settings.ts';
import { isUnknown, READ_BY_COMPOSE } from '../../src/config/unknown.ts';
import { UserError } from '../../src/runtime/failure.ts';

const names = Object.keys(specifications) as (keyof typeof specifications)[];
const hintsOf = (environment: Record<string, string>, file: Record<string, string> = {}) =>
  settingsFrom(environment, file).warnings.map(({ hint }) => hint);

const OLD_NAMES: [old: string, name: keyof typeof specifications, value: string][] = [
  ['SET_ASIDE_BYTES', 'DEFERRED_BYTES', '1000'],
  ['MAX_DRAINS', 'MAX_OPEN_QUEUES', '4'],
  ['ENDPOINTS_KEPT', 'MAX_TRACKED_ENDPOINTS', '1234'],
  ['IDLE_CONNECTIONS', 'MAX_IDLE_CONNECTIONS', '7'],
];

describe('the old name of a setting', () => {
  it('is one of these four', () => {
    expect(Object.entries(RENAMED)).toEqual(OLD_NAMES.map(([old, name]) => [old, name]));
  });

  it.each(OLD_NAMES)('%s still sets %s, and one warning names the new name', (old, name, value) => {
    const settings = settingsFrom({ [old]: value });
    expect(settings[name]).toBe(Number(value));
    expect(settings.isSet(name)).toBe(true);
    expect(settings.warnings).toEqual([
      {
        kind: 'renamed',
        setting: old,
        hint: `${old} has a new name: write ${name}. The next version no longer knows ${old}.`,
      },
    ]);
  });

  it.each(OLD_NAMES)('%s together with %s is an error that names both', (old, name, value) => {
    for (const [environment, file] of [
      [{ [old]: value, [name]: value }, {}],
      [{}, { [old]: value, [name]: value }],
    ]) {
      expect(() => settingsFrom(environment!, file)).toThrow(UserError);
      expect(() => settingsFrom(environment!, file)).toThrow(new RegExp(`${name}: ${old}, the old name`));
    }
  });

  it('in the environment wins over the new name in .env, as every environment variable does', () => {
    const settings = settingsFrom({ MAX_DRAINS: '4' }, { MAX_OPEN_QUEUES: '256' });
    expect(settings.MAX_OPEN_QUEUES).toBe(4);
    expect(settings.warnings).toHaveLength(1);
  });

  it('does not appear in the error about its value: the new name does', () => {
    expect(() => settingsFrom({ MAX_DRAINS: 'x' })).toThrow(/MAX_OPEN_QUEUES: "x" is not a whole number/);
  });
});

describe('a setting without effect', () => {
  it.each([
    'BREAKER_FAILURE_RATE',
    'BREAKER_FAILURE_SHARE',
    'BREAKER_WINDOW_MS',
  ])('%s is accepted with any value, with one warning', (setting) => {
    for (const warnings of [
      settingsFrom({ [setting]: '0.8' }).warnings,
      settingsFrom({}, { [setting]: 'x' }).warnings,
    ]) {
      expect(warnings).toEqual([
        { kind: 'retired', setting, hint: expect.stringMatching(`${setting} has no effect: .* Remove it.`) },
      ]);
    }
  });
});

describe('an unknown name', () => {
  it('in .env causes a warning that suggests the setting with a similar name', () => {
    expect(hintsOf({}, { CONCURENCY: '7', NATS_USERNAME: 'x' })).toEqual([
      'The file .env sets CONCURENCY, but no setting has this name. Did you mean CONCURRENCY?',
      'The file .env sets NATS_USERNAME, but no setting has this name. Did you mean NATS_USER?',
    ]);
  });

  it('in .env causes a warning even if no setting has a similar name', () => {
    expect(hintsOf({}, { SOMETHING_ELSE: '' })).toEqual([
      'The file .env sets SOMETHING_ELSE, but no setting has this name. Remove this line, or correct the name; docs/settings.md lists all settings.',
    ]);
  });

  it.each([
    ['DATABSE_URL', 'DATABASE_URL'],
    ['NATS_ULR', 'NATS_URL'],
    ['nats_url', 'NATS_URL'],
    ['ATTEMPT_TIMEOUT', 'ATTEMPT_TIMEOUT_MS'],
    ['ATTEMPT_TIMEOUT_SECONDS', 'ATTEMPT_TIMEOUT_MS'],
    ['MAX_AGE_DAYS', 'MAX_AGE_HOURS'],
    ['LOGLEVEL', 'LOG_LEVEL'],
  ])('in the environment, %s, causes a warning if a setting has a similar name: %s', (name, suggested) => {
    const hint = `The environment sets ${name}, but no setting has this name. Did you mean ${suggested}?`;
    expect(hintsOf({ [name]: '1' })).toEqual([hint]);
  });

  it.each([
    'PATH',
    'HTTP_PROXY',
    'HTTP_HOST',
    'NATS_HOST',
    'NATS_PORT',
    'PGUSER',
    'HOSTNAME',
    'SHELL',
    'PROJECT',
    'npm_config_cache',
  ])('in the environment causes no warning if it belongs to another program: %s', (name) => {
    expect(hintsOf({ [name]: '1' })).toEqual([]);
  });

  it.each(names)('is never reported for a setting that exists: %s', (name) => {
    const { warnings } = settingsFrom({}, { [name]: '' });
    expect(warnings).toEqual([]);
  });

  it('is named below the errors, since it may be their cause', () => {
    const readSettings = () => settingsFrom({ NATS_PASS: 'x', NATS_USRE: 'ann' });
    expect(readSettings).toThrow(
      /NATS_PASS: is set without NATS_USER.*\n.*NATS_USRE.* Did you mean NATS_USER\?/,
    );
  });

  it('is never a name that docker-compose.yml reads from .env', () => {
    const compose = readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8');
    const read = [...compose.matchAll(/\$\{(\w+)/g)].map(([, name]) => name!);
    expect(READ_BY_COMPOSE.filter((name) => !read.includes(name))).toEqual([]);
    expect(read.filter((name) => isUnknown(name, names))).toEqual([]);
  });
});
