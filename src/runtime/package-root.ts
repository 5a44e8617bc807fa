import { existsSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

/**
 * The folder of this package: the nearest one above this file that holds a package.json. It is the same from the sources and
 * from every build, however deep the asking file lies.
 */
export const PACKAGE_ROOT: string = folderWithPackage(import.meta.dirname);

/** Whether npm has put the package into a `node_modules`, whose contents npm replaces as it likes. */
export const IS_INSTALLED: boolean = isInstalled(PACKAGE_ROOT);

/** Where `.data` and `.cache` lie: in the checkout, or, of a package that is installed, in the working folder. */
export const HOME_FOLDER: string = IS_INSTALLED ? process.cwd() : PACKAGE_ROOT;

function folderWithPackage(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : folderWithPackage(dirname(folder));
}

function isInstalled(folder: string): boolean {
  return folder.split(sep).includes('node_modules');
}
