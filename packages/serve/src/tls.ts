/**
 * The certificate that both ports of the protocols show, and whose clients they take: read from PEM files at the start, and again
 * when one of them changes, because certificates live for weeks and servers for months. Connections that are open keep what
 * they began with.
 *
 * At the start a file that is not usable is an error. Later it is not: a certificate and its key are two files, and between the
 * writing of the one and of the other they do not match. What was in use stays, and the log says why.
 */
import { asSlipwayError, type Clock, fail, fromSystemError, type Logger, type SlipwayError } from '@slipway/core';
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';

export interface TlsFiles {
  /** The certificate, and the chain up to one that clients know, PEM. */
  readonly certFile: string;
  /** Its private key, PEM, not encrypted. */
  readonly keyFile: string;
  /** Certificates of who may vouch for clients, PEM: then every client must show a certificate of theirs. */
  readonly clientCaFile?: string;
}

/** What of a server can take a new certificate: those of `node:tls` and `node:https`. */
interface Renewable {
  setSecureContext(options: SecureContextOptions): void;
}

interface Loaded {
  readonly context: SecureContextOptions;
  readonly certificate: X509Certificate;
}

export class TlsIdentity {
  readonly #files: TlsFiles;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #servers = new Set<Renewable>();
  #loaded: Loaded;
  #fingerprint: string;
  #cancel: () => void = () => undefined;
  #closed = false;

  private constructor(files: TlsFiles, clock: Clock, logger: Logger, loaded: Loaded, fingerprint: string) {
    this.#files = files;
    this.#clock = clock;
    this.#logger = logger;
    this.#loaded = loaded;
    this.#fingerprint = fingerprint;
  }

  /**
   * @param intervalMs how often the files are looked at
   * @throws FILE_NOT_FOUND, FILE_UNREADABLE, TLS_INVALID
   */
  static async open(files: TlsFiles, clock: Clock, logger: Logger, intervalMs: number): Promise<TlsIdentity> {
    const fingerprint = await fingerprintOf(files);
    const identity = new TlsIdentity(files, clock, logger, await load(files), fingerprint);
    identity.#warnOfDates();
    identity.#watch(intervalMs);
    return identity;
  }

  /** For `createServer`, of `node:tls` or `node:https`. */
  options(handshakeTimeout: number): TlsOptions {
    const mutual = this.#files.clientCaFile !== undefined;
    return { ...this.#loaded.context, handshakeTimeout, requestCert: mutual, rejectUnauthorized: mutual };
  }

  /** `server` gets what the files say from now on. */
  renews(server: Renewable): void {
    this.#servers.add(server);
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #watch(intervalMs: number): void {
    if (this.#closed) return;
    this.#cancel = this.#clock.after(intervalMs, () => {
      void this.#look().finally(() => this.#watch(intervalMs));
    });
  }

  async #look(): Promise<void> {
    try {
      const fingerprint = await fingerprintOf(this.#files);
      if (fingerprint === this.#fingerprint) return;
      // Also when it fails: the same files are not read again, and not complained of again.
      this.#fingerprint = fingerprint;
      this.#loaded = await load(this.#files);
    } catch (thrown) {
      this.#logger.warn(
        { event: 'tls.reload_failed' },
        `the certificate is not replaced: ${asSlipwayError(thrown).message}`,
      );
      return;
    }
    for (const server of this.#servers) server.setSecureContext(this.#loaded.context);
    const { subject, validTo, fingerprint256 } = this.#loaded.certificate;
    this.#logger.info({ event: 'tls.reloaded', subject, valid_to: validTo, fingerprint256 }, 'certificate replaced');
    this.#warnOfDates();
  }

  #warnOfDates(): void {
    const { certificate } = this.#loaded;
    const now = this.#clock.wall();
    if (now > Date.parse(certificate.validTo)) {
      this.#logger.warn(
        { event: 'tls.expired' },
        `the certificate expired on ${certificate.validTo}; clients will refuse it`,
      );
    } else if (now < Date.parse(certificate.validFrom)) {
      this.#logger.warn({ event: 'tls.not_yet_valid' }, `the certificate is not valid before ${certificate.validFrom}`);
    }
  }
}

/** Names, sizes and change times of the files, behind the links that Kubernetes makes for secrets. */
async function fingerprintOf(files: TlsFiles): Promise<string> {
  const parts = await Promise.all(
    paths(files).map(async (path) => {
      try {
        const { ino, size, mtimeMs, ctimeMs } = await stat(path);
        return `${path}:${ino}:${size}:${mtimeMs}:${ctimeMs}`;
      } catch (error) {
        throw fromSystemError(error, path, 'reading');
      }
    }),
  );
  return parts.join('\n');
}

const paths = ({ certFile, keyFile, clientCaFile }: TlsFiles): string[] => [
  certFile,
  keyFile,
  ...(clientCaFile === undefined ? [] : [clientCaFile]),
];

/** @throws FILE_NOT_FOUND, FILE_UNREADABLE, TLS_INVALID */
async function load(files: TlsFiles): Promise<Loaded> {
  const [cert = '', key = '', ca] = await Promise.all(
    paths(files).map((path) =>
      readFile(path, 'utf8').catch((error: unknown) => {
        throw fromSystemError(error, path, 'reading');
      }),
    ),
  );
  const certificate = certificateIn(cert, files.certFile);
  const privateKey = keyIn(key, files.keyFile);
  if (!certificate.checkPrivateKey(privateKey)) {
    throw invalid(files.keyFile, `it is not the key of the certificate in ${files.certFile}`);
  }
  if (ca !== undefined && files.clientCaFile !== undefined) certificateIn(ca, files.clientCaFile);
  // Also what comes before or between certificates, which nobody else looks at.
  const context: SecureContextOptions = { cert, key, ...(ca === undefined ? {} : { ca }) };
  try {
    createSecureContext(context);
  } catch (error) {
    throw invalid(files.certFile, reasonOf(error));
  }
  return { context, certificate };
}

function certificateIn(pem: string, path: string): X509Certificate {
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw invalid(path, 'there is no certificate in it, which begins with -----BEGIN CERTIFICATE-----');
  }
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw invalid(path, `not a certificate: ${reasonOf(error)}`);
  }
}

function keyIn(pem: string, path: string): KeyObject {
  if (!pem.includes('PRIVATE KEY-----')) {
    throw invalid(path, 'there is no private key in it, which begins with -----BEGIN PRIVATE KEY-----');
  }
  if (pem.includes('ENCRYPTED')) {
    throw invalid(path, 'the key is encrypted, and nobody is there to type the passphrase');
  }
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw invalid(path, `not a private key: ${reasonOf(error)}`);
  }
}

const invalid = (path: string, problem: string): SlipwayError => fail('TLS_INVALID', { path, problem });
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
