import { connect } from 'node:net';
import type { NatsAddress } from './address.ts';

const TIMEOUT_MS = 1000;
const MAX_BYTES = 65_536;
const ERROR = /-ERR '([^']*)'/;

/**
 * Reads why a server refuses the connection, from the data that it sends before any login: `maximum connections exceeded`, or
 * that it requires a client certificate. The client reports neither, and only times out. Null if the server gives no such reason.
 */
export function readServerRefusal({ hostPort }: NatsAddress): Promise<string | null> {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(hostPort)!;
  return new Promise((resolve) => {
    let said = '';
    const socket = connect({ host: host!, port: Number(port), timeout: TIMEOUT_MS });
    const delay = setTimeout(() => socket.destroy(), TIMEOUT_MS);
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1');
      if (said.length > MAX_BYTES || ERROR.test(said)) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(delay);
      resolve(refusalIn(said));
    });
  });
}

function refusalIn(said: string): string | null {
  const error = ERROR.exec(said)?.[1];
  if (error !== undefined) return error;
  // With TLS 1.3 a server refuses a certificate only after the handshake is complete on the client's side.
  return /^INFO .*"tls_verify":true/.test(said)
    ? 'the server requires a client certificate, and sends no greeting: check NATS_TLS_CERT and NATS_TLS_KEY'
    : null;
}
