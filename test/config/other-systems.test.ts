import { describe, expect, it } from 'vitest';
import { TAKEN_FROM_OTHERS, UNUSED_OF_OTHERS } from '../../src/config/other-systems.ts';
import { settingsFrom } from '../../src/config/settings.ts';

const warningsOf = (environment: Record<string, string>, file: Record<string, string> = {}) =>
  settingsFrom(environment, file).warnings.map(({ kind, setting, hint }) => ({ kind, setting, hint }));

const DATABASE = 'postgresql://ann:s3cr3t@localhost:5432/worker-pool?sslmode=disable';

describe('a name of another system', () => {
  it.each([
    ['DB_URL', DATABASE, 'DATABASE_URL', DATABASE],
    ['WORKER_POOL_SIZE', '5', 'CONCURRENCY', 5],
    ['WORKER_COUNT', '10', 'CONCURRENCY', 10],
    ['HTTP_TIMEOUT', '20s', 'ATTEMPT_TIMEOUT_MS', 20_000],
  ] as const)('%s=%s sets %s, and one warning says so', (other, text, name, value) => {
    for (const settings of [settingsFrom({ [other]: text }), settingsFrom({}, { [other]: text })]) {
      expect(settings[name]).toBe(value);
      expect(settings.isSet(name)).toBe(true);
      expect(settings.warnings).toEqual([
        {
          kind: 'renamed',
          setting: other,
          hint: `${other} is a name of another system: its value is used as ${name}. Write ${name}.`,
        },
      ]);
    }
  });

  it.each(
    Object.keys(UNUSED_OF_OTHERS),
  )('%s has no effect, and a warning says what does its job here', (other) => {
    expect(warningsOf({ [other]: '2s' })).toEqual([
      { kind: 'retired', setting: other, hint: `${other} has no effect here: ${UNUSED_OF_OTHERS[other]}.` },
    ]);
  });

  it('has no effect where the setting itself is set, wherever that is', () => {
    const settings = settingsFrom({ DB_URL: 'postgresql://elsewhere/x' }, { DATABASE_URL: DATABASE });
    expect(settings.DATABASE_URL).toBe(DATABASE);
    expect(settings.warnings).toEqual([
      {
        kind: 'retired',
        setting: 'DB_URL',
        hint: 'DB_URL has no effect here, because DATABASE_URL is set. Remove DB_URL.',
      },
    ]);
  });

  it('of two systems for one setting: the first one of the table counts', () => {
    const settings = settingsFrom({ WORKER_COUNT: '10', WORKER_POOL_SIZE: '5' });
    expect(settings.CONCURRENCY).toBe(5);
    expect(settings.warnings.map(({ kind, setting }) => [setting, kind])).toEqual([
      ['WORKER_POOL_SIZE', 'renamed'],
      ['WORKER_COUNT', 'retired'],
    ]);
  });

  it.each([
    ...Object.keys(TAKEN_FROM_OTHERS),
    ...Object.keys(UNUSED_OF_OTHERS),
  ])('%s without a value says nothing', (other) => {
    expect(warningsOf({ [other]: ' ' }, { [other]: '' })).toEqual([]);
  });

  it('with a wrong value is named below the error of the setting', () => {
    expect(() => settingsFrom({ HTTP_TIMEOUT: '5 parsecs' })).toThrow(
      /ATTEMPT_TIMEOUT_MS: "5 parsecs".*\n.*HTTP_TIMEOUT is a name of another system/,
    );
  });

  it('is never shown with its value, which may hold a password', () => {
    expect(JSON.stringify(warningsOf({ DB_URL: DATABASE }))).not.toContain('s3cr3t');
    expect(() => settingsFrom({ DB_URL: 'mysql://ann:s3cr3t@localhost/x' })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('s3cr3t') }),
    );
  });
});
