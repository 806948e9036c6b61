/**
 * Mutual TLS of the peer port. A peer must show a certificate of the cluster's CA; where the certificate has names
 * (subjectAltName), one of them must be the member's name or the host of its peer address.
 */
import type { PeerCertificate } from "node:tls";
import type { MemberInfo } from "@authledger/engine";
import { type LedgerError, splitAddress } from "@authledger/types";
import { ChannelCredentials, credentials, ServerCredentials } from "@grpc/grpc-js";
import { type FileContents, ReloadedFiles } from "../tls/reloaded-files.js";

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

/** What both ends are made with now: connections that live go on as they are, and take the new ones when they begin again. */
export interface PeerCertificates {
  readonly current: PeerCredentials;
  close(): void;
}

/** @throws LedgerError TLS_CONFIG naming the file that cannot be used */
export function openPeerCertificates(
  files: PeerTlsFiles | undefined,
  onProblem?: (error: LedgerError) => void,
): PeerCertificates {
  if (files === undefined) return { current: PLAIN, close: () => undefined };
  const paths = { peerCert: files.cert, peerKey: files.key, peerCa: files.ca };
  const what = "the certificate of the peer port";
  return new ReloadedFiles(paths, { make, what, isPem: true, ...(onProblem && { onProblem }) });
}

function make(contents: FileContents): PeerCredentials {
  const { peerCert: cert, peerKey: key, peerCa: ca } = contents as Record<string, Buffer>;
  // The names are judged when the peer has said who it is.
  const options = { checkServerIdentity: () => undefined };
  return {
    isTls: true,
    server: ServerCredentials.createSsl(ca!, [{ private_key: key!, cert_chain: cert! }], true),
    channel: credentials.createSsl(ca!, key!, cert!, options),
  };
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
