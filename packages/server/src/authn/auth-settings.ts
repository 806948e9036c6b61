/**
 * What of a node's configuration is about who may call it, checked as a whole. Without credentials a node serves its own
 * machine; a bearer token or key does not cross a network in the clear.
 */
import { LedgerError, splitAddress } from "@authledger/types";
import { z } from "zod";
import { isLoopback } from "../loopback.js";

/** One party that issues tokens (JWT). */
export interface IssuerSettings {
  /** As tokens name it: `iss`. */
  readonly issuer: string;
  /** What tokens for this ledger name: `aud`. */
  readonly audience: string;
  /** Its public keys (JWK set): the path of a file, or an https address. */
  readonly keys: string;
  /** In front of the subject, needed where several issuers are configured: `user:<alias>/<sub>`. */
  readonly alias?: string | undefined;
}

/** As a person gives it. */
export interface AuthSettings {
  /** Every call must show who it is: by an API key, at first the root credential. Default false; implied by `jwt` and `clientCa`. */
  readonly auth: boolean;
  /** PEM files of TLS for clients. Both or none. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  /** PEM file: whom this node believes to be a node of the cluster, when it passes calls on to it. */
  readonly tlsCa: string | undefined;
  /** PEM file: the CA of client certificates. */
  readonly clientCa: string | undefined;
  /** Whether a client must have a certificate, where `clientCa` is given. Default `required`. */
  readonly clientCert: "required" | "optional";
  /** At most 16. */
  readonly jwt: readonly IssuerSettings[];
  /** Serve other machines without TLS: credentials cross the network in the clear. Default false. */
  readonly insecurePlaintext: boolean;
}

const file = z.string().min(1).optional();

const issuer = z.strictObject({
  issuer: z.string().min(1).max(256),
  audience: z.string().min(1).max(256),
  keys: z.string().min(1),
  alias: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/)
    .optional(),
});

type File = z.ZodOptional<z.ZodString>;

/** Fields of the schema of a node's configuration. */
export const AUTH_FIELDS: {
  readonly auth: z.ZodDefault<z.ZodBoolean>;
  readonly tlsCert: File;
  readonly tlsKey: File;
  readonly tlsCa: File;
  readonly clientCa: File;
  readonly clientCert: z.ZodType<"required" | "optional">;
  readonly jwt: z.ZodType<readonly IssuerSettings[]>;
  readonly insecurePlaintext: z.ZodDefault<z.ZodBoolean>;
} = {
  auth: z.boolean().default(false),
  ...{ tlsCert: file, tlsKey: file, tlsCa: file, clientCa: file },
  clientCert: z.enum(["required", "optional"]).default("required"),
  jwt: z.array(issuer).max(16).default([]),
  insecurePlaintext: z.boolean().default(false),
};

/** Fields by name, as a flag gives them; what is missing or unknown is found where the configuration is checked. @throws LedgerError USAGE */
export function issuerOfText(text: string): IssuerSettings {
  const fields = text.split(",").map((field) => {
    const at = field.indexOf("=");
    if (at > 0) return [field.slice(0, at), field.slice(at + 1)] as const;
    throw usage("jwt", `jwt "${text}" is not issuer=NAME,audience=NAME,keys=FILE`);
  });
  return Object.fromEntries(fields) as unknown as IssuerSettings;
}

/** Does every call to this node need a credential, whatever the cluster says? */
export function requiresCredentials({ auth, jwt, clientCa }: AuthSettings): boolean {
  return auth || jwt.length > 0 || clientCa !== undefined;
}

interface Served extends AuthSettings {
  readonly listen: string;
  readonly http: string;
  readonly connect: string | undefined;
  readonly peer: string | undefined;
  readonly insecureAnyAddress: boolean;
}

/** @throws LedgerError USAGE naming the field, and what to give */
export function requireAuthSettings(settings: Served): void {
  requireTls(settings);
  requireIssuers(settings.jwt);
  if (settings.insecureAnyAddress) return;
  const { listen, http, connect, tlsCert, insecurePlaintext } = settings;
  if (!requiresCredentials(settings)) {
    for (const [field, address] of Object.entries({ listen, http, connect })) {
      if (isOwn(address)) continue;
      throw usage(
        field,
        `${field} ${address} is not a loopback address, and nobody is authenticated: give --auth (API keys), --jwt or --client-ca, with --tls-cert and --tls-key; or bind 127.0.0.1 (--insecure-any-address serves anybody, for tests)`,
      );
    }
  }
  if (insecurePlaintext || tlsCert !== undefined) return;
  for (const [field, address] of Object.entries({ listen, connect })) {
    if (isOwn(address)) continue;
    throw usage(
      field,
      `${field} ${address} is not a loopback address, and credentials would cross the network in the clear: give --tls-cert and --tls-key (--insecure-plaintext where something else encrypts)`,
    );
  }
}

function requireTls({ tlsCert, tlsKey, tlsCa, clientCa, peer }: Served): void {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const field = tlsCert === undefined ? "tlsCert" : "tlsKey";
    throw usage(field, "--tls-cert and --tls-key are given together");
  }
  if (tlsCert === undefined) {
    if (clientCa === undefined) return;
    throw usage("clientCa", "client certificates come over TLS: give --tls-cert and --tls-key too");
  }
  if (peer === undefined || tlsCa !== undefined) return;
  throw usage(
    "tlsCa",
    "nodes pass calls on to their leader over TLS: give --tls-ca, the CA of their --tls-cert",
  );
}

function requireIssuers(jwt: readonly IssuerSettings[]): void {
  const aliases = new Set(jwt.map(({ alias }) => alias ?? ""));
  if (jwt.length > 1 && (aliases.size < jwt.length || aliases.has(""))) {
    throw usage("jwt", "several issuers are configured: give each an alias of its own");
  }
  if (new Set(jwt.map(({ issuer }) => issuer)).size < jwt.length) {
    throw usage("jwt", "an issuer is configured twice");
  }
  for (const { keys } of jwt) {
    if (!keys.startsWith("http://")) continue;
    throw usage("jwt", `keys ${keys}: the keys of an issuer come over https, or from a file`);
  }
}

/** On this machine only; so is a port that is not open. */
function isOwn(address: string | undefined): boolean {
  return address === undefined || isLoopback(splitAddress(address)?.host);
}

function usage(field: string, message: string): LedgerError {
  return new LedgerError("USAGE", message, { details: { field } });
}
