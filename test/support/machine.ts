import { cpus } from 'node:os';

/** The machine that figures were measured on, for the line above them. */
export function machine(): string {
  const [processor] = cpus();
  return `${cpus().length} cores (${processor?.model.trim() ?? 'unknown'}), Node ${process.version}, ${process.platform}`;
}
