/** Configuration of a node: one schema, with the default and the range of everything (L-49 sizes as text). */
import { LedgerError, limits, splitAddress } from "@authledger/types";
import { z } from "zod";
import { AUTH_FIELDS, type AuthSettings, requireAuthSettings } from "./authn/auth-settings.js";
import { byteSize } from "./config/field.js";
import { parseRuntimeInput } from "./config/runtime-config.js";
import { isRuntimeField, type RuntimeInput, type RuntimeValues } from "./config/runtime-fields.js";
import {
  PEER_ADDRESS_DEFAULT,
  type PeerSettings,
  requirePeerSettings,
} from "./peer/peer-config.js";

const MiB = 1024 * 1024;

const address = z.string().refine((text) => splitAddress(text) !== undefined, {
  message: "is not host:port with a port up to 65535",
});

/** As a browser writes it: no path, no wildcard. */
const corsOrigin = z
  .string()
  .refine((text) => URL.canParse(text) && new URL(text).origin === text, {
    message: "is not an origin such as https://app.example",
  });

/** A node's configuration, complete and checked. */
export interface NodeConfig extends PeerSettings, AuthSettings {
  /** Where the node keeps everything. Default `./data`. */
  readonly data: string;
  /** gRPC for clients, host:port. Port 0 takes a free one. Default 127.0.0.1:7400. */
  readonly listen: string;
  /** Metrics and health over HTTP, host:port. Default 127.0.0.1:7402. */
  readonly http: string;
  /** Connect for browsers and HTTP clients, host:port. Default none. */
  readonly connect: string | undefined;
  /** Origins of web pages that may call it, such as `https://app.example`. Default none. */
  readonly corsOrigins: readonly string[];
  /** Serve other machines although nobody is authenticated, or in the clear: for tests. Default false. */
  readonly insecureAnyAddress: boolean;
  /** Memory for pages of the store, in bytes: 16 MiB to 64 GiB. Default 256 MiB. */
  readonly cache: number;
  /** Prefix of all origins of a new cluster; `<16 hex digits>.authledger.local` when absent. */
  readonly clusterOrigin: string | undefined;
  /** Calls of one connection at a time; more wait at the client. Default 1,024. */
  readonly streamsPerConnection: number;
  /** Where traces are sent, OTLP over HTTP, such as `http://127.0.0.1:4318`; none are recorded when absent. */
  readonly otlpEndpoint: string | undefined;
  /** Where the node keeps its own audit log; none when absent. */
  readonly auditLog: string | undefined;
  /** Size at which that file is put aside, 1 MiB to 10 GiB, and how many of those are kept. Defaults 100 MiB and 10. */
  readonly auditLogBytes: number;
  readonly auditLogFiles: number;
  /** Connections of clients at a time, 1 to 100,000; more are refused. Default 4,000. */
  readonly connectionsMax: number;
  /** What this node was given of what may change while it runs (config/runtime-fields.ts). */
  readonly runtime: Partial<RuntimeValues>;
}

/** What a person gives; sizes may be text such as `256MiB`. */
export type NodeConfigInput = RuntimeInput & {
  readonly [K in Exclude<keyof NodeConfig, "runtime">]?:
    | (K extends "cache" | "logKeepBytes" | "auditLogBytes" ? number | string : NodeConfig[K])
    | undefined;
};

const schema = z.strictObject({
  data: z.string().min(1).default("./data"),
  listen: address.default("127.0.0.1:7400"),
  http: address.default("127.0.0.1:7402"),
  connect: address.optional(),
  corsOrigins: z.array(corsOrigin).max(64).default([]),
  insecureAnyAddress: z.boolean().default(false),
  cache: byteSize
    .pipe(
      z
        .number()
        .min(16 * MiB)
        .max(64 * 1024 * MiB),
    )
    .default(256 * MiB),
  clusterOrigin: z.string().optional(),
  streamsPerConnection: z.number().int().min(1).max(10_000).default(1_024),
  otlpEndpoint: z.url({ protocol: /^https?$/ }).optional(),
  auditLog: z.string().min(1).optional(),
  auditLogBytes: byteSize
    .pipe(
      z
        .number()
        .min(MiB)
        .max(10 * 1024 * MiB),
    )
    .default(100 * MiB),
  auditLogFiles: z.number().int().min(0).max(1_000).default(10),
  connectionsMax: z.number().int().min(1).max(100_000).default(4_000),
  peer: address.optional(),
  join: z.string().optional(),
  expect: z.number().int().min(1).max(31).optional(),
  name: z.string().optional(),
  advertisePeer: address.optional(),
  advertiseClient: address.optional(),
  peerCert: z.string().min(1).optional(),
  peerKey: z.string().min(1).optional(),
  peerCa: z.string().min(1).optional(),
  logKeepEntries: z.number().int().min(1).max(100_000_000).default(100_000),
  logKeepBytes: byteSize
    .pipe(
      z
        .number()
        .min(MiB)
        .max(1024 * 1024 * MiB),
    )
    .default(256 * MiB),
  ...AUTH_FIELDS,
});

/** What is given at the start and holds until the end, by name. */
export const FIXED_FIELDS: Readonly<Record<string, z.ZodType>> = schema.shape;

/** A field that is given at the start and holds until the end. */
export function isFixedField(name: string): boolean {
  return Object.hasOwn(FIXED_FIELDS, name);
}

/** Largest message, either way. */
export const MESSAGE_BYTES_MAX: number = limits.MESSAGE_BYTES_MAX;

/** @throws LedgerError USAGE naming the field and what is wrong with it */
export function parseNodeConfig(input: NodeConfigInput): NodeConfig {
  const { fixed, runtime } = partsOf(input);
  const parsed = schema.safeParse(fixed);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join(".") ?? "configuration";
    const message = issue?.message ?? "is wrong";
    const given = fixed[field as keyof typeof fixed];
    const named = message.startsWith("is ")
      ? `"${String(given).slice(0, 80)}" ${message}`
      : message;
    throw new LedgerError("USAGE", `${field}: ${named}`, { details: { field } });
  }
  const config = { ...withPeers(parsed.data), runtime: parseRuntimeInput(runtime) };
  requireAuthSettings(config);
  requirePeerSettings(config);
  return config;
}

/** What may change while the node runs is checked by itself. */
function partsOf(input: object): {
  readonly fixed: Readonly<Record<string, unknown>>;
  readonly runtime: Readonly<Record<string, unknown>>;
} {
  const fields = Object.entries(input);
  return {
    fixed: Object.fromEntries(fields.filter(([name]) => !isRuntimeField(name))),
    runtime: Object.fromEntries(fields.filter(([name]) => isRuntimeField(name))),
  };
}

/** Every field is there; a node that is to join has a peer port. */
function withPeers(data: z.output<typeof schema>): Omit<NodeConfig, "runtime"> {
  const { clusterOrigin, join, expect, name, advertisePeer, advertiseClient } = data;
  const { peerCert, peerKey, peerCa } = data;
  const peer = data.peer ?? (join === undefined ? undefined : PEER_ADDRESS_DEFAULT);
  const { tlsCert, tlsKey, tlsCa, clientCa } = data;
  const certificates = { peerCert, peerKey, peerCa, tlsCert, tlsKey, tlsCa, clientCa };
  const peers = { peer, join, expect, name, advertisePeer, advertiseClient, ...certificates };
  const { connect, auditLog, otlpEndpoint } = data;
  return { ...data, connect, auditLog, otlpEndpoint, clusterOrigin, ...peers };
}
