/**
 * Who a client is, and where it may say so.
 *
 *   INV-SDK-12  A token is sent over TLS, or to this machine; over plaintext to another one only where the program has
 *               said that it may be.
 */
import { LedgerError, splitAddress } from "@authledger/types";
import type { ClientOptions, TlsOptions } from "../options.js";

/** What is printable and has no spaces: keys and tokens are, and a header can carry it. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/;
const PEM = "-----BEGIN ";

/** Undefined: plaintext. @throws LedgerError INVALID_ARGUMENT */
export function tlsOf({ tls }: ClientOptions): TlsOptions | undefined {
  if (tls === undefined || tls === false) return undefined;
  if (tls === true) return {};
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw invalid("tls", "a certificate and its key are given together");
  }
  for (const name of ["ca", "cert", "key"] as const) {
    const given = tls[name];
    if (given === undefined || textOf(given).includes(PEM)) continue;
    throw invalid(`tls.${name}`, "what is wanted is PEM itself, not the path of a file");
  }
  return tls;
}

/** INV-SDK-12. @throws LedgerError INVALID_ARGUMENT */
export function checkMayShowToken(options: ClientOptions, addresses: readonly string[]): void {
  if (options.token === undefined && options.credentials === undefined) return;
  if (options.token !== undefined && options.credentials !== undefined) {
    throw invalid("token", "give a token or credentials, not both");
  }
  if (options.token !== undefined) checkToken(options.token);
  const open = addresses.find((address) => !maySend(options, address));
  if (open === undefined) return;
  const advice = "set tls, or allowPlaintextToken where the network itself is protected";
  throw invalid("tls", `the token would travel to ${open} in plaintext: ${advice}`);
}

/** May what is secret be sent there? */
export function maySend(options: ClientOptions, address: string): boolean {
  if (options.token === undefined && options.credentials === undefined) return true;
  if (options.allowPlaintextToken === true || tlsOf(options) !== undefined) return true;
  return isLoopback(splitAddress(address)?.host ?? "");
}

/** @throws LedgerError INVALID_ARGUMENT */
export function checkToken(token: string): void {
  if (typeof token === "string" && TOKEN.test(token)) return;
  throw invalid("token", "1 to 8,192 printable ASCII characters without spaces");
}

/** A name such as 127.example.com only looks like a loopback address. */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.[0-9]{1,3}){3}$/.test(host);
}

function textOf(pem: string | Uint8Array): string {
  return typeof pem === "string" ? pem : new TextDecoder("latin1").decode(pem);
}

function invalid(field: string, why: string): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", `${field}: ${why}`, { details: { field } });
}
