/**
 * Mutual TLS of the peer port. A peer must show a certificate of the cluster's CA; where the certificate has names
 * (subjectAltName), one of them must be the member's name or the host of its peer address.
 */
import { readFileSync } from "node:fs";
import type { PeerCertificate } from "node:tls";
import type { MemberInfo } from "@authledger/engine";
import { LedgerError, splitAddress } from "@authledger/types";
import { ChannelCredentials, credentials, ServerCredentials } from "@grpc/grpc-js";

/** Paths of PEM files. */
export interface PeerTlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** What both ends of connections are made with. */
export interface PeerCredentials {
  readonly isTls: boolean;
  readonly server: ServerCredentials;
  readonly channel: ChannelCredentials;
}

const PLAIN: PeerCredentials = {
  isTls: false,
  server: ServerCredentials.createInsecure(),
  channel: ChannelCredentials.createInsecure(),
};

/** @throws LedgerError USAGE naming the file that cannot be used */
export function loadPeerCredentials(files: PeerTlsFiles | undefined): PeerCredentials {
  if (files === undefined) return PLAIN;
  const ca = readPem(files.ca, "peerCa");
  const cert = readPem(files.cert, "peerCert");
  const key = readPem(files.key, "peerKey");
  try {
    // The names are judged when the peer has said who it is.
    const options = { checkServerIdentity: () => undefined };
    return {
      isTls: true,
      server: ServerCredentials.createSsl(ca, [{ private_key: key, cert_chain: cert }], true),
      channel: credentials.createSsl(ca, key, cert, options),
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError("USAGE", `the certificate of the peer port cannot be used: ${why}`, {
      details: { field: "peerCert" },
      cause,
    });
  }
}

function readPem(path: string, field: string): Buffer {
  try {
    const bytes = readFileSync(path);
    if (bytes.includes("-----BEGIN ")) return bytes;
    throw new Error("it holds no PEM");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError("USAGE", `${field} ${path} cannot be used: ${why}`, {
      details: { field },
      cause,
    });
  }
}

/** The DNS names and IP addresses of a certificate, in small letters. */
export function namesOf(certificate: PeerCertificate): readonly string[] {
  const names: string[] = [];
  for (const part of (certificate.subjectaltname ?? "").split(", ")) {
    const [, kind, name] = /^(DNS|IP Address):(.+)$/.exec(part) ?? [];
    if (kind !== undefined && name !== undefined) names.push(name.toLowerCase());
  }
  return names;
}

/** Does a certificate with these names stand for the member? One without names stands for every node of its CA. */
export function isNamedBy(names: readonly string[] | undefined, member: MemberInfo): boolean {
  if (names === undefined || names.length === 0) return true;
  const host = splitAddress(member.peerAddress)?.host.toLowerCase();
  return names.some((name) => name === member.name.toLowerCase() || matchesHost(name, host));
}

/** `*.example.com` stands for one label, RFC 6125 section 6.4.3. */
function matchesHost(name: string, host: string | undefined): boolean {
  if (host === undefined) return false;
  if (name === host) return true;
  const dot = host.indexOf(".");
  return name.startsWith("*.") && dot > 0 && name.slice(1) === host.slice(dot);
}
