import { generateKeyPairSync, type KeyObject, randomBytes, sign as signBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from './clean-up.ts';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Authority {
  /** The certificate of the authority itself. */
  readonly caFile: string;
  /**
   * Signs a certificate. Returns it and its key, as PEM files.
   * @param hosts The names and IPv4 addresses that the certificate is valid for.
   * @param options.expired True for a certificate that has expired already.
   */
  sign(name: string, hosts?: readonly string[], options?: { expired?: boolean }): Promise<Certificate>;
}

const DAY_MS = 86_400_000;
/** Encoded object identifiers. */
const OID = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  hosts: '551d11',
  isAuthority: '551d13',
};

/** A new certificate authority, in a folder that `cleanUpAfter` removes. It does not use openssl, which not every machine has. */
export async function makeAuthority(): Promise<Authority> {
  const folder = await temporaryFolder();
  const keys = newKeys();
  const name = `test CA ${randomBytes(4).toString('hex')}`;
  const caFile = join(folder, 'ca.pem');
  const caCertificate = certificate({ ...keys, name, issuer: name, issuerKey: keys.privateKey });
  await writeFile(caFile, caCertificate);
  let made = 0;
  return {
    caFile,
    async sign(subject, hosts = ['localhost'], { expired = false } = {}) {
      const path = join(folder, String(made++));
      const own = newKeys();
      const certFile = `${path}.pem`;
      const keyFile = `${path}.key`;
      const signed = { ...own, name: subject, hosts, expired, issuer: name, issuerKey: keys.privateKey };
      await writeFile(certFile, certificate(signed));
      await writeFile(keyFile, own.privateKey.export({ type: 'pkcs8', format: 'pem' }));
      return { certFile, keyFile };
    },
  };
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

interface CertificateFields {
  readonly name: string;
  /** Undefined for the certificate of an authority. */
  readonly hosts?: readonly string[];
  readonly publicKey: KeyObject;
  readonly issuer: string;
  readonly issuerKey: KeyObject;
  readonly expired?: boolean;
}

/** X.509 (RFC 5280) in PEM. */
function certificate({
  name,
  hosts,
  publicKey,
  issuer,
  issuerKey,
  expired = false,
}: CertificateFields): string {
  const algorithm = der(0x30, oid(OID.ecdsaWithSha256));
  const until = Date.now() + (expired ? -DAY_MS : 30 * DAY_MS);
  const extension =
    hosts === undefined
      ? der(
          0x30,
          oid(OID.isAuthority),
          der(0x01, Buffer.of(0xff)),
          der(0x04, der(0x30, der(0x01, Buffer.of(0xff)))),
        )
      : der(0x30, oid(OID.hosts), der(0x04, der(0x30, ...hosts.map(hostEntry))));
  const statement = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    algorithm,
    distinguishedName(issuer),
    der(0x30, time(until - 60 * DAY_MS), time(until)),
    distinguishedName(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, extension)),
  );
  const signature = signBytes('sha256', statement, issuerKey);
  const bytes = der(0x30, statement, algorithm, der(0x03, Buffer.of(0), signature));
  const lines = bytes.toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** One ASN.1 value: tag, length, content. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));

function distinguishedName(name: string): Buffer {
  return der(0x30, der(0x31, der(0x30, oid(OID.commonName), der(0x0c, Buffer.from(name)))));
}

function time(milliseconds: number): Buffer {
  const digits = new Date(milliseconds)
    .toISOString()
    .replace(/[-:T]|\.\d+/g, '')
    .slice(2);
  return der(0x17, Buffer.from(digits));
}

function hostEntry(host: string): Buffer {
  return isIPv4(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host));
}
