import { existsSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

/**
 * The folder of this package: the nearest folder above this file with a package.json. The result is the same for the sources and
 * for every build.
 */
export const PACKAGE_ROOT: string = folderWithPackage(import.meta.dirname);

/** True if the package is in a `node_modules` folder, where npm may replace all files at any time. */
export const IS_INSTALLED: boolean = isInstalled(PACKAGE_ROOT);

/** The folder of `.data` and `.cache`: the checkout, or the working folder if the package is installed. */
export const HOME_FOLDER: string = IS_INSTALLED ? process.cwd() : PACKAGE_ROOT;

function folderWithPackage(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : folderWithPackage(dirname(folder));
}

function isInstalled(folder: string): boolean {
  return folder.split(sep).includes('node_modules');
}
