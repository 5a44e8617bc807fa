import { UserError } from '../runtime/failure.ts';

/**
 * Checks that one program opens each port only once.
 *
 * @param ports The settings of the ports that the program opens, the one that must be open first. 0: the port is not opened.
 * @throws {UserError} if two of them are equal.
 */
export function requireDifferentPorts(ports: Readonly<Record<string, number>>): void {
  const names = Object.keys(ports).filter((name) => ports[name] !== 0);
  for (const [index, other] of names.entries()) {
    const one = names.slice(0, index).find((name) => ports[name] === ports[other]);
    if (one === undefined) continue;
    throw new UserError(
      `${one} and ${other} are both ${ports[other]}. Set one of them to another port, or ${other}=0 to open no port for it.`,
    );
  }
}
