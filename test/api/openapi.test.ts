import { readFileSync, writeFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { buildApi, PROBLEMS } from '../../src/api/servers.ts';
import { recordedLog } from '../nats/servers.ts';

const FILE = new URL('../../docs/openapi.json', import.meta.url);

/** Only handlers use the parts, and no request comes. */
const parts = { hostProblem: () => null, health: {}, ingest: {} } as never;
const app = await buildApi({ MAX_BODY_BYTES: 1_000_000, ROUTE_ALIASES: [] }, recordedLog() as never, parts);
const get = (url: string) => app.inject({ url });
const { info, ...document } = (await get('/openapi.json')).json();
// The version changes with each release.
const text = `${JSON.stringify({ info: { ...info, version: '0' }, ...document }, null, 2)}\n`;
// To write it: UPDATE_DOCS=1 npx vitest run test/api/openapi.test.ts
if (process.env.UPDATE_DOCS === '1') writeFileSync(FILE, text);

test('docs/openapi.json is the document that the API serves', () => {
  expect(readFileSync(FILE, 'utf8')).toBe(text);
});

test('the document is valid OpenAPI 3.1, by the schema that the specification publishes', async () => {
  expect(document.openapi).toBe('3.1.0');
  expect(await new Validator().validate(JSON.parse(text))).toEqual({ valid: true });
});

test('every schema of the document is a valid JSON Schema, and every reference has its target', () => {
  const { schemas } = document.components;
  const ajv = new Ajv2020({ strict: false });
  for (const schema of Object.values(schemas)) expect(ajv.validateSchema(schema as object)).toBe(true);
  const references = [...text.matchAll(/"\$ref": "([^"]+)"/g)].map(([, target]) => target!);
  expect(references.length).toBeGreaterThan(10);
  expect(
    references.filter((target) => schemas[target.replace('#/components/schemas/', '')] === undefined),
  ).toEqual([]);
});

test('every route that takes or tells of webhooks is in the document', () => {
  expect(
    Object.entries(document.paths)
      .flatMap(([path, methods]) => Object.keys(methods as object).map((method) => `${method} ${path}`))
      .sort(),
  ).toEqual([
    'get /health',
    'get /health/live',
    'get /health/ready',
    'get /webhooks/stats',
    'get /webhooks/{name}/{id}',
    'post /webhooks',
    'post /webhooks/batch',
    'post /webhooks/{name}',
  ]);
});

test('the page at /docs has an anchor for every problem, and loads nothing from elsewhere', async () => {
  const { body, headers } = await get('/docs');
  for (const { slug } of PROBLEMS) expect(body).toContain(`id="${slug}"`);
  expect(body).not.toMatch(/<script|(?:src|href)="(?:https?:)?\/\//);
  expect(headers['content-security-policy']).toContain("default-src 'none'");
  expect((await get('/docs.css')).statusCode).toBe(200);
});
