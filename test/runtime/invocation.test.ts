import { expect, test } from 'vitest';
import { programName, shellQuote } from '../../src/runtime/invocation.ts';

test.each([
  ['/app/dist/main.js', '/app', 'node dist/main.js'],
  ['/app/dist/main.js', '/', 'node app/dist/main.js'],
  ['/app/dist/main.js', '/home/me', 'node /app/dist/main.js'],
  ['/my app/dist/main.js', '/', "node 'my app/dist/main.js'"],
  ['/usr/bin/nats-webhook-worker', '/', 'nats-webhook-worker'],
])('the script %s in the folder %s is called as %s', (script, folder, expected) => {
  expect(programName(script, folder)).toBe(expected);
});

test('a path with a quote is still one word for a shell', () => {
  expect(shellQuote("/it's/here")).toBe(String.raw`'/it'\''s/here'`);
});
