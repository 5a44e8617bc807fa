/** Where a message is stored. A stream that is made again starts its sequences again: `created` tells them apart. */
export type StreamPosition = {
  readonly stream: string;
  /** Of the stream, in milliseconds since 1970. */
  readonly streamCreatedAt: number;
  readonly sequence: number;
};
