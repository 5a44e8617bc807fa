import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { startPostgres } from '../../src/embedded/postgres/server.ts';
import { errorMessage } from '../../src/runtime/failure.ts';
import { makeFolder } from './folders.ts';

const IMAGE = 'postgres:18-alpine';
const ENGINE_TIMEOUT_MS = 10_000;
/** As many as the embedded PostgreSQL allows. Test files run concurrently, and each has its own pools. */
const MAX_CONNECTIONS = 200;

export interface TestPostgres {
  readonly url: string;
  /** Which PostgreSQL it is and why, in one line. */
  readonly description: string;
  stop(): Promise<unknown>;
}

/**
 * Starts the PostgreSQL of a test run: in a container if a Docker engine answers, otherwise the embedded one.
 * @param choice `docker` or `embedded` to choose one (TEST_POSTGRES).
 */
export async function startTestPostgres(choice: string | undefined): Promise<TestPostgres> {
  if (choice === 'embedded') return startEmbedded('as TEST_POSTGRES says');
  if (choice === 'docker') return startContainer('as TEST_POSTGRES says');
  if (choice)
    throw new Error(`TEST_POSTGRES is "${choice}": set it to docker or embedded, or leave it empty.`);
  const problem = await engineProblem();
  if (problem !== undefined) return startEmbedded(`no Docker engine: ${problem}`);
  try {
    return await startContainer('a Docker engine answers');
  } catch (error) {
    return startEmbedded(`Docker cannot run ${IMAGE}: ${errorMessage(error)}`);
  }
}

/** Runs in another process: a connection to an engine that does not answer would keep this process from ending. */
const ASK_ENGINE = `
  import { getContainerRuntimeClient } from 'testcontainers';
  const answer = await getContainerRuntimeClient().then(() => 'yes', (error) => error.message);
  process.stdout.write(answer, () => process.exit());
`;

/** Why no Docker engine can be used; undefined if one answers. */
async function engineProblem(): Promise<string | undefined> {
  const options = { timeout: ENGINE_TIMEOUT_MS, killSignal: 'SIGKILL', cwd: import.meta.dirname } as const;
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', ASK_ENGINE],
      options,
    );
    return stdout === 'yes' ? undefined : stdout;
  } catch (error) {
    const isTimeout = (error as { killed?: boolean }).killed;
    return isTimeout ? `it does not answer within ${ENGINE_TIMEOUT_MS / 1000} s` : errorMessage(error);
  }
}

async function startContainer(reason: string): Promise<TestPostgres> {
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  const container = await new PostgreSqlContainer(IMAGE)
    .withCommand(['postgres', '-c', 'fsync=off', '-c', `max_connections=${MAX_CONNECTIONS}`])
    .start();
  return {
    url: container.getConnectionUri(),
    description: `${IMAGE} in a container (${reason})`,
    stop: () => container.stop(),
  };
}

async function startEmbedded(reason: string): Promise<TestPostgres> {
  const dataDir = await makeFolder();
  const server = await startPostgres({
    dataDir,
    port: 0,
    fsync: false,
    env: process.env,
    log: (line) => console.log(line),
  });
  return {
    url: server.url,
    description: `embedded PostgreSQL ${server.version} (${reason})`,
    async stop() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
