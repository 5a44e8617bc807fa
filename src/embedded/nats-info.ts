import { connect } from 'node:net';

/** What a nats-server says of itself to everyone who connects, before any credentials. */
export interface NatsInfo {
  readonly version: string;
  /** Whether JetStream is on. */
  readonly jetstream?: boolean;
}

/** Connects and reads the first line; undefined if nothing listens there, or it is not NATS. */
export function readNatsInfo(host: string, port: number): Promise<NatsInfo | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let received = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      received += text;
      if (received.includes('\n')) socket.end();
    });
    socket.setTimeout(5000, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => {
      const json = /^INFO (\{.*\})\s*\r?\n/.exec(received)?.[1];
      resolve(json === undefined ? undefined : (JSON.parse(json) as NatsInfo));
    });
  });
}
