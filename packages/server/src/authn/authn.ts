/**
 * Authentication of a node, put together: keys, tokens, certificates, what other nodes vouch for, and how this node passes
 * calls on in somebody's name.
 */
import type { Engine, EnginePort } from "@authledger/engine";
import type { Logger } from "pino";
import type { NodeConfig } from "../config.js";
import type { Connections } from "../connections.js";
import { Forwarding } from "../forwarding.js";
import { AuthenticateStep } from "../gate/authenticate.js";
import { tellsOfNode } from "../gate/call-class.js";
import type { MethodInfo } from "../gate/method.js";
import { SystemMoves } from "../system/system-moves.js";
import { SystemVault } from "../system/system-vault.js";
import { LeaderCredentials } from "../tls/leader-credentials.js";
import { TlsFront } from "../tls/tls-front.js";
import { ApiKeys } from "./api-keys.js";
import { requiresCredentials } from "./auth-settings.js";
import { Authenticator } from "./authenticator.js";
import { ForwardedIdentity } from "./forwarded-identity.js";
import { JsonWebTokens } from "./json-web-tokens.js";
import { RootCredential } from "./root-credential.js";

/** What the key is for that nodes vouch with; see `Engine.clusterKey`. */
const VOUCHING = "forwarded identity";

export interface Authn {
  readonly vault: SystemVault;
  readonly moves: SystemMoves;
  readonly keys: ApiKeys;
  readonly root: RootCredential;
  readonly forwarding: Forwarding;
  /** Undefined where clients come without TLS. */
  readonly tls: TlsFront | undefined;
  readonly step: AuthenticateStep;
  /**
   * Nobody is served without a credential.
   * @throws LedgerError while nobody can say so: another node may know. What tells of this node is answered meanwhile: it says why.
   */
  readonly isRequired: (method: MethodInfo) => boolean;
  close(): void;
}

interface AuthnDeps {
  readonly engine: EnginePort & Pick<Engine, "clusterKey">;
  readonly logger: Logger;
  readonly connections: Pick<Connections, "markNode">;
}

/** @throws LedgerError TLS_CONFIG */
export async function openAuthn(
  config: NodeConfig,
  { engine, logger, connections }: AuthnDeps,
): Promise<Authn> {
  warnOf(config, logger);
  const isWanted = requiresCredentials(config);
  const identity = new ForwardedIdentity(cached(() => engine.clusterKey(VOUCHING)));
  const tls = openTls(config, logger);
  const leader = openLeaderCredentials(config, logger);
  const forwarding = new Forwarding(engine, { identity, credentials: leader });
  const vault = new SystemVault(engine);
  const moves = new SystemMoves(engine);
  const keys = new ApiKeys(vault, moves);
  const tokens = openTokens(config, logger);
  const root = new RootCredential({
    ...{ vault, moves, isWanted, directory: config.data },
    leads: async () => (await engine.call("cluster_status", {})).role === "leader",
    onMade: (file) => logger.warn({ file }, "the root credential was made: keep it safe"),
    onProblem: (error) => logger.error({ err: error }, "no root credential can be made"),
  });
  const hasRoot = (method: MethodInfo): boolean =>
    tellsOfNode(method) ? root.isKnown : root.exists;
  const isRequired = (method: MethodInfo): boolean => {
    if (isWanted) return true;
    if (root.problem !== undefined && !tellsOfNode(method)) throw root.problem;
    return root.isKnown;
  };
  const step = new AuthenticateStep({
    ...{ authenticator: new Authenticator({ keys, tokens }), identity },
    certificateOf: config.clientCa === undefined ? undefined : (peer) => tls?.principalOf(peer),
    isRequired,
    lookAgain: (method) => (isWanted || tellsOfNode(method) ? undefined : root.lookAgain()),
    onForwarded: (call) => connections.markNode(call),
    hasRoot,
  });
  moves.start();
  await root.start();
  const close = (): void => {
    moves.stop();
    forwarding.close();
    leader?.close();
    tokens?.close();
    tls?.close();
  };
  return { vault, moves, keys, root, forwarding, tls, step, isRequired, close };
}

/** What is there stays as it is. */
function cached<T>(make: () => T | undefined): () => T | undefined {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function openLeaderCredentials(
  { tlsCa: ca, tlsCert: cert, tlsKey: key }: NodeConfig,
  logger: Logger,
): LeaderCredentials | undefined {
  if (ca === undefined || cert === undefined || key === undefined) return undefined;
  return new LeaderCredentials({ ca, cert, key }, (error) =>
    logger.error({ err: error }, "the leader is dialed as before: files cannot be used"),
  );
}

function openTokens({ jwt }: NodeConfig, logger: Logger): JsonWebTokens | undefined {
  if (jwt.length === 0) return undefined;
  return new JsonWebTokens(jwt, {
    onProblem: (error) => logger.error({ err: error }, "keys of tokens stay as they were"),
  });
}

function openTls(
  { tlsCert, tlsKey, clientCa, clientCert }: NodeConfig,
  logger: Logger,
): TlsFront | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  return new TlsFront({
    ...{ cert: tlsCert, key: tlsKey, clientCa },
    requireClientCert: clientCa !== undefined && clientCert === "required",
    onReload: ({ expiresAtMs }) =>
      logger.info({ expires: new Date(expiresAtMs).toISOString() }, "the certificate was replaced"),
    onProblem: (error) =>
      logger.error({ err: error }, "the certificate stays: its files cannot be used"),
  });
}

function warnOf(config: NodeConfig, logger: Logger): void {
  const { insecureAnyAddress, insecurePlaintext } = config;
  if (insecureAnyAddress && !requiresCredentials(config)) {
    logger.warn("INSECURE: nobody is authenticated; whoever reaches this node may do everything");
  }
  if (insecurePlaintext) {
    logger.warn("INSECURE: credentials come in the clear; something else must encrypt them");
  }
}
