/** Who a command says it is, and whom it believes: tokens, and the files of TLS. */
import type { ClientOptions } from "@authledger/sdk";
import { type ContextKey, SYSTEM_CA } from "../contexts/context-file.js";
import { readText } from "./read-text.js";
import type { Sourced } from "./sources.js";

export interface AccessSettings {
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly isTokenOverPlaintext: boolean;
  /** Undefined: plaintext. Paths of files. */
  readonly tls:
    | {
        /** Undefined: the certificates that Node believes. */
        readonly ca: string | undefined;
        readonly cert: string | undefined;
        readonly key: string | undefined;
        readonly serverName: string | undefined;
      }
    | undefined;
}

type Access = Pick<ClientOptions, "token" | "credentials" | "tls" | "allowPlaintextToken">;

export function accessSettings(
  sources: Readonly<Record<ContextKey, Sourced>>,
  isTokenOverPlaintext: boolean,
): AccessSettings {
  const ca = sources.tls_ca.value;
  const cert = sources.tls_cert.value;
  const key = sources.tls_key.value;
  const serverName = sources.tls_server_name.value;
  const isTls = [ca, cert, key, serverName].some((one) => one !== undefined);
  return {
    token: sources.token.value,
    tokenFile: sources.token_file.value,
    isTokenOverPlaintext,
    tls: isTls ? { ca: ca === SYSTEM_CA ? undefined : ca, cert, key, serverName } : undefined,
  };
}

/** What the SDK is told. A token's file is read anew when its token was refused. @throws LedgerError IO_READ_FAILED */
export async function accessOptions(settings: AccessSettings): Promise<Access> {
  const { token, tokenFile, isTokenOverPlaintext, tls } = settings;
  const read = async (path: string | undefined): Promise<string | undefined> =>
    path === undefined ? undefined : readText(path);
  return {
    ...(token !== undefined && { token }),
    ...(token === undefined &&
      tokenFile !== undefined && {
        credentials: async () => (await readText(tokenFile)).trim(),
      }),
    ...(isTokenOverPlaintext && { allowPlaintextToken: true }),
    ...(tls !== undefined && {
      tls: {
        ca: await read(tls.ca),
        cert: await read(tls.cert),
        key: await read(tls.key),
        serverName: tls.serverName,
      },
    }),
  };
}
