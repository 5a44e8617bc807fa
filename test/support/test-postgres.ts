import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { startPostgres } from '../../src/embedded/postgres/server.ts';
import { errorMessage } from '../../src/runtime/failure.ts';
import { makeFolder } from './folders.ts';

const IMAGE = 'postgres:18-alpine';
const ENGINE_PATIENCE_MS = 10_000;
/** As the embedded one has it: files of tests run side by side, each with pools of its own. */
const MAX_CONNECTIONS = 200;

export interface TestPostgres {
  readonly url: string;
  /** What it is, and why, in one line. */
  readonly description: string;
  stop(): Promise<unknown>;
}

/**
 * The PostgreSQL of a test run: in a container where a Docker engine answers, else the embedded one.
 * @param choice `docker` or `embedded` forces it (TEST_POSTGRES)
 */
export async function startTestPostgres(choice: string | undefined): Promise<TestPostgres> {
  if (choice === 'embedded') return startEmbedded('as TEST_POSTGRES says');
  if (choice === 'docker') return startContainer('as TEST_POSTGRES says');
  if (choice)
    throw new Error(`TEST_POSTGRES is "${choice}": set it to docker or embedded, or leave it empty.`);
  const fault = await faultOfEngine();
  if (fault !== undefined) return startEmbedded(`no Docker engine: ${fault}`);
  try {
    return await startContainer('a Docker engine answers');
  } catch (error) {
    return startEmbedded(`Docker cannot run ${IMAGE}: ${errorMessage(error)}`);
  }
}

/** Asked from another process, since a connection to an engine that is silent would keep this one from ending. */
const ASK_ENGINE = `
  import { getContainerRuntimeClient } from 'testcontainers';
  const answer = await getContainerRuntimeClient().then(() => 'yes', (error) => error.message);
  process.stdout.write(answer, () => process.exit());
`;

/** Why no Docker engine can be used; undefined if one answers. */
async function faultOfEngine(): Promise<string | undefined> {
  const options = { timeout: ENGINE_PATIENCE_MS, killSignal: 'SIGKILL', cwd: import.meta.dirname } as const;
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', ASK_ENGINE],
      options,
    );
    return stdout === 'yes' ? undefined : stdout;
  } catch (error) {
    const isSilent = (error as { killed?: boolean }).killed;
    return isSilent ? `it does not answer within ${ENGINE_PATIENCE_MS / 1000} s` : errorMessage(error);
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
