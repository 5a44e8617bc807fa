import { type Environment, type Scene, stopWorker } from './scene.ts';

/** Makes the tables and streams, so that rows can be there before the first worker. */
export async function makeTables(scene: Scene, env: Environment = {}): Promise<void> {
  await stopWorker(await scene.startWorker(env));
}

/** A row of `rule_webhooks`. @param more Columns by their names. */
export async function register(
  scene: Scene,
  name: string,
  url: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const columns = ['webhook_name', 'url', ...Object.keys(more)];
  const places = columns.map((_, index) => `$${index + 1}`);
  await scene.query(`INSERT INTO rule_webhooks (${columns.join(', ')}) VALUES (${places.join(', ')})`, [
    name,
    url,
    ...Object.values(more),
  ]);
}
