import { type Environment, type Scene, stopWorker } from './scene.ts';

/** Creates the tables and streams, so that a test can insert rows before its own worker starts. */
export async function createTables(scene: Scene, env: Environment = {}): Promise<void> {
  await stopWorker(await scene.startWorker(env));
}

/** Inserts a row into `rule_webhooks`. @param more The values of further columns, by their names. */
export async function register(
  scene: Scene,
  name: string,
  url: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const columns = ['webhook_name', 'url', ...Object.keys(more)];
  const placeholders = columns.map((_, index) => `$${index + 1}`);
  await scene.query(`INSERT INTO rule_webhooks (${columns.join(', ')}) VALUES (${placeholders.join(', ')})`, [
    name,
    url,
    ...Object.values(more),
  ]);
}
