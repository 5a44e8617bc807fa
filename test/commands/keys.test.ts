import { createHash, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseConfiguredKey } from '../../src/core/access/configured-key.ts';
import { createTestDatabase } from '../support/servers.ts';
import { outcomeOf } from './programs.ts';

let env: Record<string, string>;
beforeAll(async () => {
  env = { DATABASE_URL: (await createTestDatabase()).url };
});

const keys = (...args: string[]) => outcomeOf(['keys', ...args], env);
const listed = async () => JSON.parse((await keys('list', '--json')).stdout);

test('keys on a database without tables says how to create them', async () => {
  const { code, stderr } = await keys('list');
  expect(stderr).toContain('Run the command migrate');
  expect(code).toBe(1);
});

describe('with the tables', () => {
  beforeAll(async () => {
    expect(await outcomeOf(['migrate'], env)).toMatchObject({ code: 0 });
  });

  test('list without a key says how to make one', async () => {
    expect((await keys('list')).stdout).toContain('keys create');
  });

  test('create prints the key once, and stores only its hash', async () => {
    const { stdout, stderr, code } = await keys(
      'create',
      'shop',
      '--scopes',
      'publish:orders, stats',
      '--expires',
      '90d',
    );
    expect(stdout).toMatch(/^whk_[0-9A-Za-z]{8}_[0-9A-Za-z]{32}$/);
    expect(stderr).toContain('the only time');
    expect(code).toBe(0);
    const [shop] = await listed();
    expect(shop).toMatchObject({
      id: stdout.slice(4, 12),
      name: 'shop',
      scopes: ['publish:orders', 'stats'],
      revoked_at: null,
      last_used_at: null,
    });
    const days = (Date.parse(shop.expires_at) - Date.parse(shop.created_at)) / 86_400_000;
    expect(days).toBeCloseTo(90, 2);
    const rows = await outcomeOf(['sql', '--json', 'SELECT * FROM rule_nats_api_keys'], env);
    expect(rows.stdout).not.toContain(stdout.slice(13));
    expect(rows.stdout).toContain(createHash('sha256').update(stdout).digest('hex'));
    const table = (await keys('list')).stdout;
    expect(table).toMatch(/shop +\| publish:orders stats \| valid +\| .* never/);
    expect(table).not.toContain(stdout.slice(13));
  });

  test('create --json prints the key with its parts, and publishes to all names by default', async () => {
    const { stdout } = await keys('create', 'all', '--json');
    expect(JSON.parse(stdout)).toEqual({
      id: expect.stringMatching(/^\w{8}$/),
      name: 'all',
      key: expect.stringMatching(/^whk_/),
      scopes: ['publish'],
      expires_at: null,
    });
  });

  test('create --setting needs no PostgreSQL, and prints the key and its setting', async () => {
    const { stdout, code } = await outcomeOf(
      ['keys', 'create', 'x', '--setting', '--scopes', 'url,publish:a'],
      {
        DATABASE_URL: 'postgresql://127.0.0.1:1/none',
      },
    );
    const [key, setting] = stdout.split('\n') as [string, string];
    expect(setting).toMatch(/^API_KEYS=/);
    expect(parseConfiguredKey(setting.slice('API_KEYS='.length))).toMatchObject({
      id: key.slice(4, 12),
      hash: createHash('sha256').update(key).digest(),
      scopes: { publish: ['a'], rights: new Set(['url']) },
    });
    expect(code).toBe(0);
  });

  test('revoke takes a name, an id or the key itself', async () => {
    const made = await Promise.all(['r1', 'r2', 'r3'].map((name) => keys('create', name)));
    const key = made[2]!.stdout;
    for (const text of ['r1', `whk_${made[1]!.stdout.slice(4, 12)}`, key]) {
      expect(await keys('revoke', text)).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^revoked \w{8} \(r\d\)$/),
      });
    }
    const revoked = (await listed()).filter((row: { revoked_at: string | null }) => row.revoked_at !== null);
    expect(revoked.map((row: { name: string }) => row.name).sort()).toEqual(['r1', 'r2', 'r3']);
    expect((await keys('list')).stdout).toMatch(/r1 +\| publish +\| revoked/);
  });

  test('revoke of a name with two keys revokes none, and names both', async () => {
    const ids = [];
    for (let n = 0; n < 2; n++) ids.push(JSON.parse((await keys('create', 'twin', '--json')).stdout).id);
    const { code, stderr } = await keys('revoke', 'twin');
    for (const id of ids) expect(stderr).toContain(id);
    expect(code).toBe(1);
    await keys('revoke', ids[0]);
    expect(await keys('revoke', 'twin')).toMatchObject({ code: 0, stdout: expect.stringContaining(ids[1]) });
  });

  test('revoke of an unknown key repeats nothing of it', async () => {
    const { code, stderr } = await keys('revoke', `whk_00000000_${'s'.repeat(32)}`);
    expect(stderr).toContain('No API key has this id or name');
    expect(stderr).not.toContain('sss');
    expect(code).toBe(1);
  });

  test('a role without rights is told which right it lacks', async () => {
    const role = `keyless_${randomUUID().replaceAll('-', '')}`;
    await outcomeOf(['sql', `CREATE ROLE ${role} LOGIN PASSWORD 'x'`], env);
    const url = new URL(env.DATABASE_URL!);
    [url.username, url.password] = [role, 'x'];
    const { code, stderr } = await outcomeOf(['keys', 'list'], { DATABASE_URL: url.href });
    await outcomeOf(['sql', `DROP ROLE ${role}`], env);
    expect(stderr).toMatch(/permission denied for table rule_nats_api_keys.*Grant the missing right/);
    expect(code).toBe(1);
  });
});

test.each([
  [[], 'what to do is missing'],
  [['make'], 'there is no "keys make"'],
  [['create'], 'keys create takes one name'],
  [['create', ' '], 'keys create takes one name'],
  [['create', 'a', 'b'], 'keys create takes one name'],
  [['revoke'], 'keys revoke takes one id or name'],
  [['list', 'a'], 'keys list takes no name'],
  [['create', 'a', '--scopes', 'root'], '--scopes: "root" is not a scope'],
  [['create', 'a', '--scopes', ''], '--scopes: "" is not a scope'],
  [['create', 'a', '--expires', 'soon'], '--expires: "soon" is not a duration'],
  [['create', 'a', '--expires', '0'], '--expires: "0" is not a duration'],
  [['create', 'a', '--setting', '--expires', '1d'], 'a key of API_KEYS does not expire'],
])('keys %j exits with 2 and says: %s', async (args, problem) => {
  const { code, stdout, stderr } = await keys(...args);
  expect(stderr).toContain(problem);
  expect([code, stdout]).toEqual([2, '']);
});
