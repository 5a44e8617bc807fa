// Makes a checkout ready to run. `npm start` and `npm test` run this file first, before node_modules exists, so the file uses
// only Node's built-in modules. It installs the packages if package-lock.json changed, and builds dist/ if the sources changed.
// With arguments, it then runs the program, dist/main.js, with these arguments. With `--tool FILE` as the first argument, it also
// builds the development tools, and runs dist-tools/FILE instead.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { acquireLock } from './lock.mjs';
import { explainNpm, npmCi, registryIsAway } from './npm.mjs';
import { runStep } from './step.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const at = (...names) => join(root, ...names);
const lockFolder = at('.cache', 'prepare');
const BUILD_STAMP = '.sources-sha256';
const installStamp = at('node_modules', '.package-lock-sha256');
const toolFlag = process.argv.indexOf('--tool', 2);
const tool = toolFlag === 2 ? process.argv[3] : undefined;

/** The builds of tsc, with their sources. A build folder holds the hash of its sources, so that a change starts a new build. */
const builds = [
  { folder: 'dist', config: 'tsconfig.build.json', sources: ['src'] },
  ...(tool === undefined
    ? []
    : [
        {
          folder: 'dist-tools',
          config: 'tsconfig.tools.json',
          sources: ['src', 'test/bench', 'test/chaos', 'test/support'],
        },
      ]),
];

/** A failure that the user can correct. It is printed without a stack. */
class Failure extends Error {}

try {
  checkNode();
  if (!isInstalled() || !builds.every(isBuilt)) await prepare();
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}
if (process.exitCode === undefined && process.argv.length > 2) {
  // The program runs in this process because of npm: with two commands in one script, npm's SIGTERM would end only the shell, and
  // the first command would continue.
  if (tool === undefined) process.argv[1] = at('dist', 'main.js');
  else process.argv.splice(1, 3, at('dist-tools', tool));
  await import(pathToFileURL(process.argv[1]).href);
}

function explain(error) {
  if (error instanceof Failure) return error.message;
  const isOfSystem = error.syscall !== undefined;
  return isOfSystem ? `Cannot prepare ${root}: ${error.message}` : error.stack;
}

async function prepare() {
  const waiting = (pid) => process.stderr.write(`Waiting for process ${pid}, which prepares this folder …\n`);
  const lock = await acquireLock(lockFolder, waiting);
  try {
    if (!isInstalled()) await install();
    for (const one of builds) if (!isBuilt(one)) await build(one);
  } finally {
    lock.release();
  }
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new Failure(
    `Node ${process.versions.node} is too old: install Node 20.19 or newer (https://nodejs.org).`,
  );
}

function isInstalled() {
  return existsSync(installStamp) && readFileSync(installStamp, 'utf8') === lockHash();
}

/** node_modules holds programs for one platform. So the packages are installed again in a container that shares the folder. */
function lockHash() {
  if (!existsSync(at('package-lock.json')))
    throw new Failure(`${at('package-lock.json')} is missing: restore it.`);
  return hash([process.platform, process.arch, readFileSync(at('package-lock.json'))]);
}

async function install() {
  // The stamp is removed first, so that an interrupted installation never counts as complete.
  rmSync(installStamp, { force: true });
  const stamp = lockHash();
  const { ok, output } = await run(
    'Installing packages (npm ci)',
    npmCi(at('.cache', 'npm')),
    registryIsAway,
  );
  if (!ok) throw new Failure(explainNpm(output));
  writeFileSync(installStamp, stamp);
}

function isBuilt({ folder, sources }) {
  const stamp = at(folder, BUILD_STAMP);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === sourcesHash(sources);
}

function sourcesHash(sources) {
  const names = sources
    .flatMap((folder) => readdirSync(at(folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const configs = readdirSync(root).filter((name) => /^tsconfig.*\.json$/.test(name));
  const files = [...names, ...configs.map((name) => at(name)), at('package-lock.json')];
  return hash(files.flatMap((file) => [file.slice(root.length), readFileSync(file)]));
}

/** Builds in another folder, then renames it: the folder is complete or missing, and holds no output of removed sources. */
async function build({ folder, config, sources }) {
  const [building, old] = [at(`${folder}.building`), at(`${folder}.old`)];
  for (const leftover of [building, old]) rmSync(leftover, { recursive: true, force: true });
  const stamp = sourcesHash(sources);
  const tsc = at('node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '-p', at(config), '--outDir', building];
  const { ok, output } = await run(`Building ${folder}/ (tsc)`, [process.execPath, ...args]);
  if (!ok) {
    rmSync(building, { recursive: true, force: true });
    throw new Failure(`${output.trimEnd()}\n\nBuilding failed: correct the errors above, then start again.`);
  }
  writeFileSync(join(building, BUILD_STAMP), stamp);
  if (existsSync(at(folder))) renameSync(at(folder), old);
  renameSync(building, at(folder));
  rmSync(old, { recursive: true, force: true });
}

async function run(step, command, isHopeless) {
  try {
    return await runStep(step, command, { cwd: root, lockFolder, isHopeless });
  } catch (error) {
    throw error.code === 'ENOENT'
      ? new Failure(`${command[0]} was not found: add its folder to PATH.`)
      : error;
  }
}

function hash(parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part).update('\0');
  return sum.digest('hex');
}
