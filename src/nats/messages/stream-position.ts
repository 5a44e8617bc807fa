/** Where a message is stored. A recreated stream restarts its sequences: `streamCreatedAt` tells the positions apart. */
export type StreamPosition = {
  readonly stream: string;
  /** When the stream was created, in milliseconds since 1970. */
  readonly streamCreatedAt: number;
  readonly sequence: number;
};
