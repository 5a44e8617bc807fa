import { freePort } from '../../src/embedded/process/ports.ts';
import type { RunningProgram } from '../support/program.ts';
import { runProgram } from '../support/program.ts';
import { openScene, type Scene } from './scene.ts';

/** The answer to a request. `json`: its body, if it is JSON. */
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a server answers is checked by the test.
  readonly json: any;
};

export interface Api {
  readonly program: RunningProgram;
  readonly url: string;
  readonly adminUrl: string;
  /** POSTs a body. An object is sent as JSON, a text or bytes as they are. */
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

/** Starts `api` in open mode on the servers of a scene, or of its environment. */
export async function startApi(
  scene: Pick<Scene, 'env'>,
  env: Readonly<Record<string, string>> = {},
  command = 'api',
): Promise<Api> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const program = await runProgram([command], {
    env: { ...scene.env, API_AUTH: 'open', PORT: String(port), ADMIN_PORT: String(adminPort), ...env },
  });
  await program.waitForLine(/api\.started/);
  const url = `http://127.0.0.1:${port}`;
  return {
    program,
    url,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    post: (path, body, headers = {}) => {
      const isText = typeof body === 'string' || body instanceof Uint8Array;
      const type = isText ? {} : { 'content-type': 'application/json' };
      return request(`${url}${path}`, {
        method: 'POST',
        body: (isText ? body : JSON.stringify(body)) as string,
        headers: { ...type, ...headers },
      });
    },
    get: (path, headers = {}) => request(`${url}${path}`, { headers }),
  };
}

export async function request(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson && !text.includes('\n{') ? JSON.parse(text) : undefined,
  };
}

/** A scene with rows of `rule_webhooks` by their names, and the API on it. */
export async function openApiScene(
  rows: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
) {
  const scene = await openScene();
  const api = await startApi(scene, env);
  for (const [name, url] of Object.entries(rows)) {
    await scene.query('INSERT INTO rule_webhooks (webhook_name, url) VALUES ($1, $2)', [name, url]);
  }
  return { scene, api };
}
