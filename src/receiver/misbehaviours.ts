import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { every } from '../runtime/every.ts';

/** How an endpoint treats a request. @param detail The part of the path after the name. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse, detail: string) => void;

const DRIP_EVERY_MS = 50;
const CHUNK = Buffer.alloc(65_536, 'x');
const HEADER = `X-More: ${'x'.repeat(1000)}\r\n`;

/** By the name in the path. */
export const MISBEHAVIOURS: Readonly<Record<string, Misbehaviour>> = {
  /** `/status/418` */
  status: (_, response, detail) => response.writeHead(Number(detail)).end(),
  redirect: (_, response) => response.writeHead(302, { location: '/status/200' }).end(),
  /** Never answers. */
  hang: () => {},
  reset: ({ socket }) => socket.resetAndDestroy(),
  garbage: ({ socket }) => socket.end('\x00\x01 this is not HTTP\r\n\r\n'),
  /** Announces a longer body than it sends. */
  cut: ({ socket }) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly the start of it'),
  /** `/flood/200`, `/flood/500`: a body without an end. */
  flood(_, response, detail) {
    response.writeHead(Number(detail));
    writeOn(response.socket, () => response.write(CHUNK));
  },
  /** Headers without an end. */
  headers({ socket }) {
    socket.write('HTTP/1.1 200 OK\r\n');
    writeOn(socket, () => socket.write(HEADER));
  },
  /** One byte at a time, without end. */
  drip(_, response) {
    response.writeHead(200, { 'content-length': '1000000' });
    response.once(
      'close',
      every(DRIP_EVERY_MS, () => response.write('x')),
    );
  },
};

/** The misbehaviours that send a status and never finish the answer: the status counts. Only `flood` sends another one than 200. */
export const UNFINISHED: ReadonlySet<string> = new Set(['cut', 'flood', 'headers', 'drip']);

/** Writes as fast as the client reads, until the client closes the connection. */
function writeOn(socket: Socket | null, write: () => boolean): void {
  const more = () => {
    while (socket?.writable && write());
  };
  socket?.on('drain', more);
  // The client closes the connection, which is no problem here.
  socket?.on('error', () => {});
  more();
}
