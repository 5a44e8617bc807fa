import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanUpAfter, temporaryFolder } from '../support/clean-up.ts';
import { runCommand } from '../support/program.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Of the docker client; which engine it speaks to is the tester's to say. */
const OF_DOCKER = ['DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_CONFIG', 'DOCKER_CERT_PATH', 'DOCKER_TLS_VERIFY'];
/** A build without any cache, and images pulled for the first time, on a slow line. */
const PATIENCE_MS = 600_000;

/** An image of its own name: the tester's `nats-webhook-worker:latest` stays what it is. */
export const IMAGE = 'nats-webhook-worker:test';

/** What differs from the files as users run them: names, ports, and times that a test can wait for. */
const DIFFERENCES = {
  services: {
    worker: { image: IMAGE, environment: { ATTEMPT_TIMEOUT_MS: 2500, ACK_WAIT_MS: 5000 } },
    receiver: {
      image: IMAGE,
      command: ['receive', '--host', '0.0.0.0', '--port', '9000', '--delay-ms', '200'],
    },
  },
};

/** Runs `docker <args>`, and resolves to what it printed. @throws Error with all of that, when it fails. */
export async function docker(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const ofDocker = Object.entries(process.env).filter(
    ([name]) => OF_DOCKER.includes(name) || name === 'DOCKER_BUILDKIT',
  );
  const program = await runCommand('docker', args, {
    env: { ...(Object.fromEntries(ofDocker) as Record<string, string>), ...env },
  });
  const { code } = await program.waitForExit({ timeoutMs: PATIENCE_MS });
  if (code === 0) return program.stdout.join('\n');
  throw new Error(
    `docker ${args.join(' ')}: code ${code}\n${[...program.stdout, ...program.stderr].join('\n')}`,
  );
}

export interface Project {
  /** `docker compose <args>` in this project. */
  run(...args: string[]): Promise<string>;
  /** The ids of the containers of a service, those that have ended too. */
  containersOf(service: string): Promise<string[]>;
  /** Stores webhooks `<batch>-1`, `<batch>-2`, …, once each however often it is called. */
  publish(batch: string, count: number): Promise<void>;
  /** The ids of the requests of a batch that the receiver has seen. */
  arrivalsOf(batch: string): Promise<string[]>;
  /** The first value of the first row. */
  select(sql: string): Promise<string>;
}

/** The project of both compose files; its containers, volumes and image are removed at the end of the test file. */
export async function composeProject(): Promise<Project> {
  const differences = join(await temporaryFolder(), 'differences.json');
  await writeFile(differences, JSON.stringify(DIFFERENCES));
  const files = ['docker-compose.yml', 'test/containers/docker-compose.try.yml'].map((name) =>
    join(ROOT, name),
  );
  const project = [
    'compose',
    ...['--project-name', `nats-webhook-worker-test-${randomUUID().slice(0, 8)}`],
    ...[...files, differences].flatMap((file) => ['--file', file]),
  ];
  // Any free ones.
  const run = (...args: string[]) =>
    docker([...project, ...args], { NATS_PORT: '0', POSTGRES_PORT: '0', BIND_ADDRESS: '127.0.0.1' });
  const inWorker = (...args: string[]) =>
    run('exec', '-T', '--index', '1', 'worker', 'node', 'dist/main.js', ...args);

  cleanUpAfter(async () => {
    await run('down', '--volumes', '--timeout', '1');
    await docker(['image', 'rm', '--force', IMAGE]);
  });
  return {
    run,
    async containersOf(service) {
      return (await run('ps', '--all', '--quiet', service)).split('\n').filter((id) => id !== '');
    },
    async publish(batch, count) {
      const message = ['--url', 'http://receiver:9000/hook', '--data', '{"hello":"world"}'];
      await inWorker('publish', ...message, '--count', `${count}`, '--id', batch);
    },
    async arrivalsOf(batch) {
      const lines = await run('logs', '--no-color', '--no-log-prefix', 'receiver');
      return [...lines.matchAll(new RegExp(`webhook-id=(${batch}-\\d+) `, 'g'))].map(([, id]) => id!);
    },
    async select(sql) {
      return (await inWorker('sql', sql)).split('\n')[2]!.trim();
    },
  };
}

/** A field of what the engine knows of a container, as its template language names it: `.State.ExitCode`. */
export const inspect = (container: string, field: string): Promise<string> =>
  docker(['inspect', '--format', `{{${field}}}`, container]);
