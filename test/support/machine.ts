import { cpus } from 'node:os';

/** Describes the machine on which figures were measured, for the line above them. */
export function machine(): string {
  const [processor] = cpus();
  return `${cpus().length} cores (${processor?.model.trim() ?? 'unknown'}), Node ${process.version}, ${process.platform}`;
}
