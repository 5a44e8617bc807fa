/** A part of a program that runs until it is stopped. Programs start theirs in order and stop them in reverse. */
export interface Service {
  readonly name: string;
  start(): Promise<void>;
  /** Safe to call twice, and after a start that failed. */
  stop(): Promise<void>;
}
