/** The ports of a node: who listens where, and which steps a call passes on its way in. */
import type { Engine } from "@authledger/engine";
import { type Address, assert, joinAddress, LedgerError, splitAddress } from "@authledger/types";
import type { Authn } from "./authn/authn.js";
import type { ClusterWatch } from "./cluster-watch.js";
import type { ConfigDeps } from "./config/config-calls.js";
import type { NodeConfig } from "./config.js";
import { type ConnectServer, startConnectServer } from "./connect/connect-server.js";
import { AuthorizeStep } from "./gate/authorize.js";
import { DeadlineStep } from "./gate/deadline.js";
import { Gate } from "./gate/gate.js";
import { VersionStep } from "./gate/version.js";
import { type GrpcServer, type GrpcServerOptions, startGrpcServer } from "./grpc-server.js";
import { startHttp } from "./http.js";
import { Roles } from "./iam/roles.js";
import type { LoopDelay } from "./loop-delay.js";
import { nodeRegistry } from "./metrics/node-metrics.js";
import type { RpcMeters } from "./metrics.js";
import type { Observability } from "./observability.js";
import type { NodePeers } from "./peer/node-peers.js";
import type { Protection } from "./protection/protection.js";
import { QuotaStep } from "./quota/quota-step.js";
import type { Quotas } from "./quota/quotas.js";
import type { PageTokenKeys } from "./tokens.js";
import type { Watchdog } from "./watchdog/watchdog.js";

interface HttpParts {
  readonly authn: Authn;
  readonly observability: Observability;
  readonly engine: Engine;
  readonly watch: ClusterWatch;
  readonly watchdog: Watchdog;
  readonly meters: RpcMeters;
  readonly peers: NodePeers | undefined;
  readonly delay: LoopDelay;
  readonly protection: Protection;
  readonly grpc: () => GrpcServer | undefined;
}

export async function listenHttp(
  config: NodeConfig,
  {
    authn,
    observability,
    engine,
    watch,
    watchdog,
    meters,
    peers,
    delay,
    protection,
    grpc,
  }: HttpParts,
): Promise<Awaited<ReturnType<typeof startHttp>>> {
  const fault = (): string | undefined =>
    engine.failure === undefined ? watchdog.problem : "the node has stopped";
  const isStarted = (): boolean => grpc() !== undefined;
  const problem = (): string | undefined => {
    const fatal = fault();
    if (fatal !== undefined) return fatal;
    if (!isStarted()) return "the node is starting";
    if (watch.problem !== undefined) return watch.problem;
    return grpc()?.health.isServing === true ? undefined : "the node is shutting down";
  };
  const registry = nodeRegistry({
    ...{ meters, delay, watchdog, protection },
    ...{ errors: observability.errors, log: observability.metrics },
    stats: () => engine.stats(),
    cluster: () => watch.status,
    links: () => peers?.peers.stats() ?? [],
    certificateExpiresAtMs: () => authn.tls?.expiresAtMs ?? 0,
  });
  try {
    return await startHttp(split(config.http), { registry, problem, fault, isStarted });
  } catch (error) {
    throw bindError(config.http, error);
  }
}

interface GrpcParts {
  readonly engine: Engine;
  readonly meters: RpcMeters;
  readonly authn: Authn;
  readonly protection: Protection;
  readonly quotas: Quotas;
  readonly observability: Observability;
  readonly live: ConfigDeps;
}

export async function listenGrpc(
  config: NodeConfig,
  { engine, meters, authn, protection, quotas, observability, live }: GrpcParts,
  {
    isBare = false,
    ...about
  }: Pick<GrpcServerOptions, "version" | "startedAtMs" | "httpAddress"> & {
    readonly isBare?: boolean | undefined;
  },
): Promise<GrpcServer> {
  const { listen, streamsPerConnection } = config;
  const pageTokenKeys = pageTokenKeysOf(engine);
  const options = { ...split(listen), streamsPerConnection, pageTokenKeys, ...about };
  const roles = new Roles(engine, authn.moves);
  const authorize = new AuthorizeStep({ roles, isOpen: (method) => !authn.isRequired(method) });
  const first = [new VersionStep(), ...observability.steps, authn.step, new DeadlineStep()];
  const quota = new QuotaStep({
    ...{ engine, refusals: protection.refusals },
    limitsOf: (organization) => quotas.of(organization, protection.organizationRates).limits,
  });
  const steps = [...first, ...protection.steps, authorize, protection.organization, quota];
  const observers = [...observability.observers, ...protection.observers];
  const gate = isBare ? new Gate([]) : new Gate(steps, observers);
  authn.moves.onMove(() => gate.open.recheckSoon());
  try {
    return await startGrpcServer(options, {
      engine,
      roles,
      meters,
      config: live,
      limits: {
        quotas,
        organizationRates: () => protection.organizationRates,
        hotKeys: () => protection.hotKeys.top,
      },
      ...protection.parts,
      gate,
      audit: observability.audit,
      ...{ forwarding: authn.forwarding, tls: authn.tls, root: authn.root },
      isStopped: () => engine.failure !== undefined,
      onBug: (error) => engine.fail(LedgerError.from(error)),
    });
  } catch (error) {
    throw bindError(listen, error);
  }
}

/** A learner has no log seed: lists of one page are all that it can give of a list. */
function pageTokenKeysOf(engine: Engine): PageTokenKeys {
  return {
    shared: () => engine.clusterKey("page tokens"),
    own: engine.pageTokenKey,
    unshared: () => engine.keyless("this node has no key for page tokens"),
  };
}

export async function listenConnect(
  { connect, corsOrigins }: NodeConfig,
  deps: Parameters<typeof startConnectServer>[1],
): Promise<(ConnectServer & { readonly address: string }) | undefined> {
  if (connect === undefined) return undefined;
  const at = split(connect);
  try {
    const server = await startConnectServer({ ...at, corsOrigins }, deps);
    return { ...server, address: joinAddress({ ...at, port: server.port }) };
  } catch (error) {
    throw bindError(connect, error);
  }
}

function bindError(address: string, cause: unknown): LedgerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `cannot listen on ${address}: ${why}; another process may have the port, choose one with --listen, --http or --connect`;
  return new LedgerError("USAGE", message, { details: { address }, cause });
}

/** The configuration has checked that it is one. */
export function split(address: string): Address {
  const parts = splitAddress(address);
  assert(parts !== undefined, "a configured address is host:port");
  return parts;
}
