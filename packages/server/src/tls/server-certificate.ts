/** The certificate of a port for clients, and whose certificates it asks them for. */
import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import {
  type FileContents,
  type FilePaths,
  ReloadedFiles,
  type ReloadOptions,
} from "./reloaded-files.js";

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Whose certificates clients may show; absent: they are asked for none. */
  readonly clientCa?: string | undefined;
}

export interface ServerCertificate {
  readonly options: SecureContextOptions;
  /** Of the certificate, milliseconds since 1970. */
  readonly expiresAtMs: number;
}

type Watching = Omit<ReloadOptions<ServerCertificate>, "make" | "what">;

/** @throws LedgerError TLS_CONFIG */
export function openCertificate(
  { cert, key, clientCa }: TlsFiles,
  watching: Watching = {},
): ReloadedFiles<ServerCertificate> {
  const paths: FilePaths = {
    ...{ tlsCert: cert, tlsKey: key },
    ...(clientCa !== undefined && { clientCa }),
  };
  return new ReloadedFiles(paths, {
    ...watching,
    make,
    what: "the certificate of the client port",
  });
}

/** A context is made at once, so that a key of another certificate is found here and not at the first handshake. */
function make(contents: FileContents): ServerCertificate {
  const { tlsCert: cert, tlsKey: key, clientCa: ca } = contents;
  const options: SecureContextOptions = {
    ...{ cert: cert!, key: key!, minVersion: "TLSv1.2" },
    ...(ca !== undefined && { ca }),
  };
  createSecureContext(options);
  return { options, expiresAtMs: Date.parse(new X509Certificate(cert!).validTo) };
}
