/** What JetStream hands us: one hand-out of one stored message. */
export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  /** The stream it is stored in, when that was created (milliseconds since 1970), and its place there. */
  readonly stream: string;
  readonly streamCreated: number;
  readonly sequence: number;
  /** How often the server has handed it out, this time included. */
  readonly handOuts: number;
  /** A NATS header, by its exact name; undefined where there is none. */
  header(name: string): string | undefined;
}
