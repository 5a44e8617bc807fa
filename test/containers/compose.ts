import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanUpAfter, temporaryFolder } from '../support/clean-up.ts';
import { runCommand } from '../support/program.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Settings of the docker client. The tester chooses the engine with them. */
const DOCKER_SETTINGS = [
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
  'DOCKER_CERT_PATH',
  'DOCKER_TLS_VERIFY',
];
/** Long enough for a build without a cache, and for pulling images over a slow connection. */
const PATIENCE_MS = 600_000;

/** The differences to the files that users run: names, ports and shorter times. */
const differences = (image: string) => ({
  services: {
    worker: { image, environment: { ATTEMPT_TIMEOUT_MS: 2500, ACK_WAIT_MS: 5000 } },
    api: { image },
    relay: { image },
    receiver: {
      image,
      command: ['receive', '--host', '0.0.0.0', '--port', '9000', '--delay-ms', '200'],
    },
    // Not started by `up`. No compose file of ours runs this command.
    all: {
      image,
      extends: { file: join(ROOT, 'docker-compose.yml'), service: 'worker' },
      command: ['all'],
      environment: { ALLOWED_PRIVATE_CIDRS: '198.51.100.9/32' },
      networks: ['default', 'try'],
      profiles: ['all'],
    },
  },
});

/** Runs `docker <args>`, and resolves to its output. @throws Error with the output if the command fails. */
export async function docker(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const dockerSettings = Object.entries(process.env).filter(
    ([name]) => DOCKER_SETTINGS.includes(name) || name === 'DOCKER_BUILDKIT',
  );
  const program = await runCommand('docker', args, {
    env: { ...(Object.fromEntries(dockerSettings) as Record<string, string>), ...env },
  });
  const { code } = await program.waitForExit({ timeoutMs: PATIENCE_MS });
  if (code === 0) return program.stdout.join('\n');
  throw new Error(
    `docker ${args.join(' ')}: code ${code}\n${[...program.stdout, ...program.stderr].join('\n')}`,
  );
}

export interface Project {
  /** The image has its own name, so that the tester's `nats-webhook-worker:latest` stays unchanged. */
  readonly image: string;
  /** Runs `docker compose <args>` in this project. */
  run(...args: string[]): Promise<string>;
  /** The ids of the containers of a service, also of ended ones. */
  containersOf(service: string): Promise<string[]>;
  /** Stores webhooks `<batch>-1`, `<batch>-2`, …. Calling it again stores no webhook twice. */
  publish(batch: string, count: number): Promise<void>;
  /** The ids of the requests of a batch that have arrived at the receiver. */
  arrivalsOf(batch: string): Promise<string[]>;
  /** The ids of all requests that have arrived at the receiver. */
  arrivals(): Promise<string[]>;
  /** Resolves to the first value of the first row. */
  select(sql: string): Promise<string>;
}

/** Creates the project of both compose files. Its containers, volumes and image are removed after the test file. */
export async function composeProject(): Promise<Project> {
  const id = randomUUID().slice(0, 8);
  const image = `nats-webhook-worker:test-${id}`;
  const differencesFile = join(await temporaryFolder(), 'differences.json');
  await writeFile(differencesFile, JSON.stringify(differences(image)));
  const files = ['docker-compose.yml', 'test/containers/docker-compose.try.yml'].map((name) =>
    join(ROOT, name),
  );
  const project = [
    'compose',
    ...['--project-name', `nats-webhook-worker-test-${id}`],
    ...[...files, differencesFile].flatMap((file) => ['--file', file]),
  ];
  // Port 0: any free port.
  const run = (...args: string[]) =>
    docker([...project, ...args], {
      NATS_PORT: '0',
      POSTGRES_PORT: '0',
      API_PORT: '0',
      BIND_ADDRESS: '127.0.0.1',
    });
  const inWorker = (...args: string[]) =>
    run('exec', '-T', '--index', '1', 'worker', 'node', 'dist/main.js', ...args);
  async function arrivals(): Promise<string[]> {
    const lines = await run('logs', '--no-color', '--no-log-prefix', 'receiver');
    return [...lines.matchAll(/webhook-id=(\S+) /g)].map(([, arrived]) => arrived!);
  }

  cleanUpAfter(async () => {
    await run('--profile', 'all', 'down', '--volumes', '--timeout', '1');
    await docker(['image', 'rm', '--force', image]);
  });
  return {
    image,
    run,
    async containersOf(service) {
      return (await run('ps', '--all', '--quiet', service)).split('\n').filter((id) => id !== '');
    },
    async publish(batch, count) {
      const message = ['--url', 'http://receiver:9000/hook', '--data', '{"hello":"world"}'];
      await inWorker('publish', ...message, '--count', `${count}`, '--id', batch);
    },
    async arrivalsOf(batch) {
      return (await arrivals()).filter((id) => new RegExp(`^${batch}-\\d+$`).test(id));
    },
    arrivals,
    async select(sql) {
      return (await inWorker('sql', sql)).split('\n')[2]!.trim();
    },
  };
}

/** A field of a container, named in the template language of Docker, such as `.State.ExitCode`. */
export const inspect = (container: string, field: string): Promise<string> =>
  docker(['inspect', '--format', `{{${field}}}`, container]);
