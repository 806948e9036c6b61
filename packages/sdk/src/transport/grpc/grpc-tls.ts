/** TLS of a client's connections: whom it believes, and who it says it is. */
import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { LedgerError } from "@authledger/types";
import { type ChannelCredentials, type ChannelOptions, credentials } from "@grpc/grpc-js";
import type { ClientOptions, PemText } from "../../options.js";
import { tlsOf } from "../security.js";

/** What the channels of a client are made with. */
export interface GrpcSecurity {
  readonly credentials: ChannelCredentials;
  readonly channelOptions: ChannelOptions;
}

/** @throws LedgerError INVALID_ARGUMENT naming the part that cannot be used */
export function grpcSecurity(options: ClientOptions): GrpcSecurity {
  const tls = tlsOf(options);
  if (tls === undefined) return { credentials: credentials.createInsecure(), channelOptions: {} };
  const { ca, cert, key, serverName } = tls;
  try {
    const [root, own, secret] = [bytesOf(ca), bytesOf(cert), bytesOf(key)];
    // The library would find out with the first connection only, and not say what was wrong.
    if (root !== null) new X509Certificate(root);
    if (own !== null && secret !== null) createSecureContext({ cert: own, key: secret });
    return {
      credentials: credentials.createSsl(root, secret, own),
      channelOptions:
        serverName === undefined
          ? {}
          : {
              "grpc.ssl_target_name_override": serverName,
              "grpc.default_authority": serverName,
            },
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError("INVALID_ARGUMENT", `tls: what was given cannot be used: ${why}`, {
      details: { field: "tls" },
      cause,
    });
  }
}

function bytesOf(pem: PemText | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem as string);
}
