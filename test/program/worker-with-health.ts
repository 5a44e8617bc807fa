import { expect } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import { until } from '../support/wait.ts';
import type { Environment, Scene } from './scene.ts';

/** Starts a worker with an HTTP port. `healthIs` resolves when /health answers as expected. */
export async function startWorkerWithHealth(scene: Scene, env: Environment = {}) {
  const port = await freePort();
  const worker = await scene.startWorker({ HTTP_PORT: String(port), ...env });
  const health = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/health`);
    return { code: response.status, ...((await response.json()) as { status: string; troubles: object }) };
  };
  const healthIs = (expected: object) =>
    until(
      async () => {
        expect(await health()).toMatchObject(expected);
        return true;
      },
      { timeoutMs: 40_000 },
    );
  return { worker, healthIs };
}
