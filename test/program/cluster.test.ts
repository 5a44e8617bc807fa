import { beforeAll, describe, expect, it } from 'vitest';
import { cleanUpAfter, temporaryFolder } from '../support/clean-up.ts';
import { type NatsCluster, startNatsCluster } from '../support/nats-cluster.ts';
import type { RunningProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { type Endpoint, type Environment, openSceneOn, type Scene, startEndpoint } from './scene.ts';

let cluster: NatsCluster;
let scene: Omit<Scene, 'nats'>;
let endpoint: Endpoint;
let workers: RunningProgram[];
const env: Environment = { ACK_WAIT_MS: '2000', ATTEMPT_TIMEOUT_MS: '1000', BACKOFF_BASE_MS: '50' };

beforeAll(async () => {
  const options = { dataDir: await temporaryFolder(), env: process.env, log: console.log };
  cluster = await startNatsCluster(options);
  cleanUpAfter(() => cluster.stop());
  scene = await openSceneOn(cluster.url);
  endpoint = await startEndpoint();
  const migrated = await scene.startWorker(env);
  migrated.kill();
  await migrated.waitForExit();
  await scene.query(`UPDATE rule_nats_streams SET replicas = 3 WHERE stream_name = 'WEBHOOKS'`);
  for (const stream of ['WEBHOOKS', 'WEBHOOKS_DLQ', 'WEBHOOKS_PARKED'])
    await scene.manager.streams.delete(stream);
  workers = await Promise.all(['a', 'b'].map((name) => scene.startWorker({ ...env, CONSUMER_NAME: name })));
});

/** Publishes while `fault` runs, and 100 messages afterwards. Resolves when every confirmed message has arrived. */
async function deliversThrough(fault: () => Promise<void>): Promise<void> {
  const ids = new Set<string>();
  let isFaultOver = false;
  const runningFault = fault().then(() => {
    isFaultOver = true;
  });
  let publishedAfter = 0;
  for (let number = 0; publishedAfter < 100; number++) {
    const id = `${expect.getState().currentTestName}-${number}`.replaceAll(/[^\w-]/g, '_');
    const published = await until(() =>
      scene.publish({ webhook_url: endpoint.url }, { headers: { 'Nats-Msg-Id': id } }),
    );
    if (published > 0) ids.add(id);
    if (isFaultOver) publishedAfter++;
  }
  await runningFault;
  await until(() => {
    const arrived = new Set(endpoint.requests.map(({ webhookId }) => webhookId));
    return [...ids].every((id) => arrived.has(id));
  });
}

const allCurrent = () =>
  until(
    async () => {
      const { cluster: raft } = await scene.manager.streams.info('WEBHOOKS');
      return raft?.leader !== undefined && raft.replicas?.filter(({ current }) => current).length === 2;
    },
    { timeoutMs: 40_000 },
  );

describe('a cluster of three nodes loses no message', () => {
  // The leaders of the stream, of the durable and of the cluster are among these nodes.
  it.each(['n1', 'n2', 'n3'])('when a node is killed (%s)', async (name) => {
    await allCurrent();
    await deliversThrough(async () => {
      await cluster.nodes.get(name)!.kill();
      await cluster.restart(name);
    });
  });

  it('when its nodes enter lame duck mode one after the other, as in an upgrade', async () => {
    for (const [name, node] of cluster.nodes) {
      await allCurrent();
      await deliversThrough(async () => {
        process.kill(node.pid, 'SIGUSR2');
        await node.exited;
        await cluster.restart(name);
      });
    }
    for (const worker of workers) await worker.waitForLine(/lame duck mode.*nats\.stopping/);
  });
});
