import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls';
import { ErrorCode, Events, type NatsConnection, type TlsOptions } from 'nats';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import type { NatsAddress } from './address.ts';
import { unreadableFile } from './file-error.ts';

/** Paths of PEM files. The client reads the files again at every connect, so the files may be renewed. */
export type TlsFiles = {
  /** NATS_TLS_CA. @default the certificate authorities of the system */
  readonly caFile?: string;
  /** NATS_TLS_CERT. */
  readonly certFile?: string;
  /** NATS_TLS_KEY. */
  readonly keyFile?: string;
  /** NATS_TLS_FIRST. @default false */
  readonly first?: boolean;
};

export type Tls = {
  readonly options: TlsOptions;
  /** Also trusts the servers that a trusted server announces, if their certificate is for the announced address. */
  trustAnnounced(connection: NatsConnection): void;
};

/**
 * Returns the TLS options. Undefined if neither the settings nor NATS_URL demand TLS.
 *
 * @throws {UserError} if a file is not valid, with its setting and path.
 */
export function tlsFrom(files: TlsFiles | undefined, addresses: readonly NatsAddress[]): Tls | undefined {
  if (files === undefined && !addresses.some((address) => address.tls)) return undefined;
  const { first = false, ...paths } = files ?? {};
  checkFiles(paths);
  const hosts = new Set(addresses.map(({ hostPort }) => hostOf(hostPort)));
  const options: TlsOptions & { checkServerIdentity: typeof checkServerIdentity } = {
    ...paths,
    handshakeFirst: first,
    checkServerIdentity: (hostname, certificate) => checkHost(hostname, certificate, hosts),
  };
  return { options, trustAnnounced: (connection) => void followAnnounced(connection, hosts) };
}

/**
 * For a server that is addressed by its IP address, the client passes no host name, and Node checks the certificate for
 * "localhost". In this case the certificate must be for one of the hosts that NATS_URL or its servers name.
 */
function checkHost(hostname: string, certificate: PeerCertificate, hosts: ReadonlySet<string>) {
  if (hostname !== 'localhost') return checkServerIdentity(hostname, certificate);
  const errors = [...hosts].map((host) => checkServerIdentity(host, certificate));
  return errors.includes(undefined) ? undefined : errors[0];
}

async function followAnnounced(connection: NatsConnection, hosts: Set<string>): Promise<void> {
  const add = (announced: readonly string[] = []) => {
    for (const hostPort of announced) hosts.add(hostOf(hostPort));
  };
  add(connection.info?.connect_urls);
  for await (const status of connection.status()) {
    if (status.type === Events.Update) add((status.data as { added?: string[] }).added);
  }
}

function hostOf(hostPort: string): string {
  return hostPort.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

function checkFiles({ caFile, certFile, keyFile }: TlsFiles): void {
  const ca = caFile === undefined ? undefined : contentOf('NATS_TLS_CA', caFile);
  const cert = certFile === undefined ? undefined : contentOf('NATS_TLS_CERT', certFile);
  const key = keyFile === undefined ? undefined : contentOf('NATS_TLS_KEY', keyFile);
  if (ca !== undefined) requireCertificate('NATS_TLS_CA', caFile!, ca);
  if (cert !== undefined) requireCertificate('NATS_TLS_CERT', certFile!, cert);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new UserError(
      `NATS_TLS_KEY: ${keyFile} is not the key of ${certFile} (${errorCode(error) ?? errorMessage(error)}).`,
    );
  }
}

function contentOf(setting: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw unreadableFile(setting, file, error);
  }
}

function requireCertificate(setting: string, file: string, content: Buffer): void {
  try {
    new X509Certificate(content);
  } catch {
    throw new UserError(`${setting}: ${file} holds no certificate in PEM form.`);
  }
}

export function isTlsCode(code: string): boolean {
  return (
    code === ErrorCode.Tls ||
    code === 'EPROTO' ||
    /^(ERR_(TLS|SSL|OSSL)_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code)
  );
}

/** @param demandsTls True if NATS_URL or NATS_TLS_… demands TLS: only then the worker knows which host name it dialed. */
export function tlsCure(code: string, demandsTls: boolean): string {
  if (code === 'CERT_HAS_EXPIRED') return 'Renew the certificate of nats-server';
  if (code === 'CERT_NOT_YET_VALID')
    return 'Set the clock of this machine, or of the machine that made the certificate';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return demandsTls
      ? 'NATS_URL must name the host that the certificate is for'
      : 'Write tls:// in NATS_URL, and the host that the certificate is for';
  }
  if (code.includes('CERTIFICATE_REQUIRED') || code.includes('HANDSHAKE_FAILURE')) {
    return 'The server requires a client certificate: set NATS_TLS_CERT and NATS_TLS_KEY';
  }
  if (code.includes('ALERT'))
    return 'The server refuses our client certificate: check NATS_TLS_CERT and NATS_TLS_KEY';
  return 'Set NATS_TLS_CA to the file of the authority that signed the certificate of nats-server';
}
