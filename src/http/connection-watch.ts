import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { StatusLineReader } from './status-line.ts';

/** One connection to an endpoint, as the request that it carries sees it. */
export class Connection {
  readonly answer = new StatusLineReader();
  readonly #socket: Socket;
  /** Requests written so far. A request is written only after the answer to the request before is complete. */
  requests = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /**
   * Closes the connection under its request. If undici's own abort closed it, undici would take the request for one to be sent
   * again, dial the endpoint anew, and only then find that the request is over.
   */
  close(error: Error): void {
    this.#socket.destroy(error);
  }

  /** True if no byte of an answer has come since the last request, and the connection had served a request before that. */
  get brokeWhenReused(): boolean {
    return this.requests > 1 && !this.answer.isAnswered;
  }
}

/** A request on its way, which learns its connection when its first bytes are written. */
export interface ConnectionUser {
  onConnection(connection: Connection): void;
}

/**
 * Tells requests which connection they are on, and reads the start of each answer before undici does. Undici itself tells a
 * handler neither. It writes a request in the same call in which it reports `onRequestStart`, so the request that started last
 * is the one whose bytes are written.
 */
export class ConnectionWatch {
  #starting: ConnectionUser | null = null;

  /** To be called in `onRequestStart`. Null: the request will not be written. */
  requestStarts(user: ConnectionUser | null): void {
    this.#starting = user;
  }

  /** Watches each connection that `dial` makes. */
  watch(dial: buildConnector.connector): buildConnector.connector {
    return (target, callback) =>
      dial(target, (...[error, socket]) => {
        if (error !== null) return callback(error, null);
        this.#watchSocket(socket);
        callback(null, socket);
      });
  }

  /** Methods of its own for this socket: a stream in between would cost another copy of each event. */
  #watchSocket(socket: Socket): void {
    const connection = new Connection(socket);
    const { answer } = connection;
    const { read, write } = socket;
    socket.write = ((chunk: Uint8Array, encoding?: BufferEncoding, callback?: () => void) => {
      if (this.#starting !== null) {
        connection.requests++;
        answer.expectAnswer();
        this.#starting.onConnection(connection);
        this.#starting = null;
      }
      return write.call(socket, chunk, encoding, callback);
    }) as Socket['write'];
    socket.read = (size?: number) => {
      // Node itself asks for 0 bytes to start reading from the system.
      if (size === 0) return read.call(socket, 0);
      for (;;) {
        const chunk: Buffer | null = read.call(socket, size);
        if (chunk === null) return null;
        const passed = answer.pass(chunk);
        if (passed !== null) return passed;
      }
    };
  }
}
