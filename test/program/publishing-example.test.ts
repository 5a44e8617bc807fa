import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runCommand } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { blocksOf } from './manual.ts';
import { openScene, startEndpoint } from './scene.ts';

/** The folder with the packages that the examples import. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

it.each([
  'README.md',
  'docs/publishing.md',
])('the TypeScript example of %s publishes a webhook that is delivered once, even if the example runs twice', async (page) => {
  const scene = await openScene();
  const endpoint = await startEndpoint();
  await scene.startWorker();
  const [example, ...others] = blocksOf(page, 'ts');
  expect(others).toEqual([]);
  const code = example!.replace('https://example.com', endpoint.url);
  for (let run = 0; run < 2; run++) {
    const options = { cwd: ROOT, env: { NATS_URL: scene.nats.url } };
    const program = await runCommand(process.execPath, ['--input-type=module', '--eval', code], options);
    expect(await program.waitForExit()).toMatchObject({ code: 0 });
    expect(program.stderr).toEqual([]);
  }
  const last = await scene.publish({ webhook_url: endpoint.url, data: 'the last one' });
  await until(() => endpoint.requests.some(({ webhookId }) => webhookId?.endsWith(`-${last}`)));
  expect(endpoint.requests[0]).toMatchObject({ webhookId: 'users-123-created', path: '/hook' });
  expect(endpoint.requests).toHaveLength(2);
});
