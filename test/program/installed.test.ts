import { existsSync } from 'node:fs';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/clean-up.ts';
import { runCommand } from '../support/program.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** A user's folder, and the package that is installed in this folder. */
let folder: string;
let installed: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  installed = join(folder, 'node_modules', 'nats-webhook-worker');
  await mkdir(installed, { recursive: true });
  await runToEnd('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], ROOT);
  const archive = (await readdir(folder)).find((name) => name.endsWith('.tgz'))!;
  await runToEnd('tar', ['-xzf', join(folder, archive), '--strip-components=1', '-C', installed], folder);
  // The dependencies that npm would install.
  for (const name of await readdir(join(ROOT, 'node_modules'))) {
    await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
});

async function runToEnd(command: string, args: readonly string[], cwd: string): Promise<string> {
  const program = await runCommand(command, args, { cwd });
  const { code } = await program.waitForExit({ timeoutMs: 60_000 });
  expect(
    program.stderr.filter((line) => !line.startsWith('npm ')),
    command,
  ).toEqual([]);
  expect(code, command).toBe(0);
  return program.stdout.join('\n');
}

describe('the installed package', () => {
  it('keeps its data in the working folder, and prints commands that work in any folder', async () => {
    const main = join(installed, 'dist', 'main.js');
    const program = await runCommand(process.execPath, [main, 'up'], { cwd: folder });
    await program.waitForLine('Ctrl-C stops everything', { timeoutMs: 60_000 });
    expect((await readdir(join(folder, '.data'))).sort()).toEqual([
      'locks',
      'nats',
      'postgres',
      'servers.json',
    ]);
    expect(existsSync(join(installed, '.data'))).toBe(false);

    const lines = program.stdout.filter((line) => line.startsWith('  cd '));
    expect(lines).toHaveLength(3);
    for (const line of lines) await runToEnd('/bin/sh', ['-c', line], await temporaryFolder());
    await program.waitForLine(/^received .*POST \/hello {2}200/);

    program.kill();
    expect(await program.waitForExit()).toMatchObject({ code: 0 });
  });

  it('keeps the server programs in the working folder if the user has no cache folder', async () => {
    const module = join(installed, 'dist', 'embedded', 'files', 'cache-folder.js');
    const code = `console.log(await (await import(${JSON.stringify(module)})).cacheFolder({}))`;
    const found = await runToEnd(process.execPath, ['--input-type=module', '--eval', code], folder);
    expect(found).toBe(join(folder, '.cache'));
  });
});
