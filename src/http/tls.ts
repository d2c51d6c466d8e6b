import { constants, X509Certificate } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { createSecureContext, Server, type TlsOptions } from 'node:tls';

/** Where certificate (with its chain) and private key are, as PEM. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
}

export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** When it ends. */
  readonly validTo: Date;
}

/** A client has so long to shake hands. */
const HANDSHAKE_MS = 10_000;
const LOOK_EVERY_MS = 1_000;

/** TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3: Mozilla's intermediate list without the slow DHE suites. */
const SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];

/** What a server speaks with this certificate. */
export function tlsOptions({ cert, key }: Certificate): TlsOptions {
  return {
    cert,
    key,
    minVersion: 'TLSv1.2',
    ciphers: SUITES.join(':'),
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: HANDSHAKE_MS,
  };
}

/** @returns the certificate, or what is wrong with the files */
export function readCertificate(files: TlsFiles): Certificate | string {
  try {
    const [cert, key] = [readFileSync(files.certificate), readFileSync(files.key)];
    createSecureContext({ cert, key });
    const first = new X509Certificate(cert);
    return { cert, key, validTo: new Date(first.validTo) };
  } catch (error) {
    // OpenSSL's own words say little, and may show what the file holds.
    return (error as NodeJS.ErrnoException).syscall === undefined
      ? 'expected a certificate in PEM and the private key that belongs to it, without a passphrase'
      : 'expected files that can be read';
  }
}

/** Hears of a certificate that was taken into use, or of what is wrong with the new one while the old one stays in use. */
export type CertificateListener = (outcome: Certificate | string) => void;

/**
 * Takes a changed certificate into use for the connections to come; those that are open stay as they are. Files are looked at once a
 * second, by what their names lead to, since links are swapped where secrets are mounted. Ends with the server.
 */
export function followCertificate(server: HttpServer, files: TlsFiles, listener: CertificateListener): void {
  let used = readCertificate(files);
  const look = () => {
    const found = readCertificate(files);
    if (isSame(found, used)) return;
    used = found;
    if (typeof found !== 'string' && server instanceof Server) server.setSecureContext(tlsOptions(found));
    listener(found);
  };
  for (const file of Object.values(files) as string[]) watchFile(file, { interval: LOOK_EVERY_MS, persistent: false }, look);
  server.once('close', () => {
    for (const file of Object.values(files) as string[]) unwatchFile(file, look);
  });
}

function isSame(found: Certificate | string, used: Certificate | string): boolean {
  if (typeof found === 'string' || typeof used === 'string') return found === used;
  return found.cert.equals(used.cert) && found.key.equals(used.key);
}
