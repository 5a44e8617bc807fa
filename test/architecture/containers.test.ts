import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { specifications } from '../../src/config/settings.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const { services, volumes } = parse(read('docker-compose.yml'));
const { nats, postgres, worker, api, relay } = services;
const tryOut = parse(read('test/containers/docker-compose.try.yml'));

/** The instructions of the Dockerfile, one per line, without comments. */
const instructions = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '');
const lastStage = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')));
const argumentOf = (instruction: string) =>
  lastStage.find((line) => line.startsWith(`${instruction} `))?.slice(instruction.length + 1);

const ignoreRules = read('.dockerignore')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

const secondsOf = (duration: string) => Number(/^(\d+)s$/.exec(duration)?.[1]);

describe('the image', () => {
  it('is built on node:24-trixie-slim', () => {
    const bases = instructions.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1]);
    expect(new Set(bases)).toEqual(new Set(['node:24-trixie-slim']));
  });

  it('runs as a user that is not root', () => {
    expect(lastStage.filter((line) => line.startsWith('USER '))).toEqual(['USER node']);
  });

  it('runs the program without a shell, which would not pass on signals', () => {
    expect(JSON.parse(argumentOf('ENTRYPOINT')!)).toEqual(['node', 'dist/main.js']);
    expect(JSON.parse(argumentOf('CMD')!)).toEqual(['worker']);
  });

  it('checks its health at the default port', () => {
    const { PORT, ADMIN_PORT, HTTP_PORT } = specifications;
    const ports = [PORT.default, ADMIN_PORT.default, HTTP_PORT.default];
    expect(argumentOf('EXPOSE')).toBe(ports.join(' '));
    expect(argumentOf('HEALTHCHECK')).toContain(`process.env.HTTP_PORT||'${HTTP_PORT.default}'`);
    expect(argumentOf('HEALTHCHECK')).toContain(`process.env.PORT||'${PORT.default}'`);
  });

  it('contains no development tools and no embedded servers, and only built files', () => {
    expect(instructions).toContain('RUN npm ci --omit=dev --omit=optional');
    for (const copy of lastStage.filter((line) => line.startsWith('COPY '))) {
      expect(copy).toMatch(/^COPY --from=(build|packages) /);
    }
  });

  it('is built from the files that it needs, and from no others', () => {
    const copied = instructions
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1));
    const [first, ...rest] = ignoreRules;
    expect(first).toBe('*');
    const included = rest.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
    expect(included.sort()).toEqual([...new Set(copied)].sort());
  });

  it('contains no .env', () => {
    const last = ignoreRules.findLastIndex((rule) => rule.startsWith('!'));
    expect(ignoreRules.slice(last + 1)).toEqual(expect.arrayContaining(['.env', '**/.env*']));
  });
});

describe('docker-compose.yml', () => {
  it('runs the supported versions of both servers', () => {
    expect(nats.image).toBe('nats:2.14-alpine');
    expect(postgres.image).toBe('postgres:18-alpine');
  });

  it('keeps the data of both servers in volumes, with PostgreSQL 18 at /var/lib/postgresql', () => {
    expect(postgres.volumes).toEqual(['postgres-data:/var/lib/postgresql']);
    expect(nats.volumes).toEqual(['nats-data:/data']);
    expect(nats.command).toEqual(expect.arrayContaining(['--jetstream', '--store_dir', '/data']));
    expect(Object.keys(volumes).sort()).toEqual(['nats-data', 'postgres-data']);
  });

  it('starts workers when both servers are healthy', () => {
    expect(worker.depends_on).toEqual({
      nats: { condition: 'service_healthy' },
      postgres: { condition: 'service_healthy' },
    });
    expect([nats, postgres].every(({ healthcheck }) => healthcheck.test.length > 1)).toBe(true);
  });

  it('kills a worker 7 s after the end of its drain at the earliest', () => {
    const drainMs = specifications.SHUTDOWN_DRAIN_MS.default as number;
    expect(secondsOf(worker.stop_grace_period) * 1000).toBeGreaterThan(drainMs + 7000);
    expect(worker.init).toBe(true);
  });

  it('allows any number of workers', () => {
    for (const key of ['ports', 'container_name', 'hostname']) expect(worker).not.toHaveProperty(key);
    expect(worker.environment).not.toHaveProperty('CONSUMER_NAME');
  });

  it('sets only settings that exist, and takes the others from .env', () => {
    const settings = Object.keys({ ...worker.environment, ...api.environment }).filter(
      (name) => name !== 'PGPASSWORD',
    );
    expect(Object.keys(specifications)).toEqual(expect.arrayContaining(settings));
    expect(worker.env_file).toBe('.env');
  });

  it('opens its ports to this machine only, unless BIND_ADDRESS is set', () => {
    expect([...nats.ports, ...postgres.ports, ...api.ports]).toEqual([
      `\${BIND_ADDRESS:-127.0.0.1}:\${NATS_PORT:-4222}:4222`,
      `\${BIND_ADDRESS:-127.0.0.1}:\${POSTGRES_PORT:-5432}:5432`,
      `\${BIND_ADDRESS:-127.0.0.1}:\${API_PORT:-8080}:${api.environment.PORT}`,
    ]);
  });

  it('starts its workers with the command worker, and the API with api', () => {
    expect([worker.command, api.command]).toEqual([['worker'], ['api']]);
  });

  it('runs a relay from the image of the workers, on the same servers', () => {
    expect(relay).toMatchObject({ image: worker.image, pull_policy: 'never', command: ['relay'] });
    expect(relay.depends_on).toEqual(worker.depends_on);
    for (const name of ['NATS_URL', 'DATABASE_URL', 'PGPASSWORD'])
      expect(relay.environment[name]).toBe(worker.environment[name]);
  });

  it('allows no private address', () => {
    expect(worker.environment.ALLOWED_PRIVATE_CIDRS).toBe(`\${ALLOWED_PRIVATE_CIDRS:-}`);
  });
});

describe('docker-compose.try.yml', () => {
  it('allows the address of its receiver, and no other', () => {
    const address = tryOut.services.receiver.networks.try.ipv4_address;
    expect(tryOut.services.worker.environment).toEqual({
      ALLOWED_PRIVATE_CIDRS: `${address}/32,\${ALLOWED_PRIVATE_CIDRS:-}`,
    });
  });

  it('runs its receiver from the image of the workers', () => {
    expect(tryOut.services.receiver.image).toBe(worker.image);
    expect(tryOut.services.receiver.command[0]).toBe('receive');
  });
});
