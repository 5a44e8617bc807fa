import { connect } from 'node:net';
import type { NatsAddress } from './address.ts';

const TIMEOUT_MS = 1000;
const MAX_BYTES = 65_536;
const ERROR = /-ERR '([^']*)'/;

/**
 * What a server has against us, by what it says before any login: `maximum connections exceeded`, or that it asks for
 * certificates. The client hears neither, and waits in vain. Null where it says nothing of the kind.
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
  // With TLS 1.3 a server turns a certificate down when the client takes the handshake for done.
  return /^INFO .*"tls_verify":true/.test(said)
    ? 'it asks for a certificate of ours, and gives no welcome: check NATS_TLS_CERT and NATS_TLS_KEY'
    : null;
}
