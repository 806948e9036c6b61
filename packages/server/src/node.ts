/**
 * A node: the engine with gRPC and HTTP in front of it, from start to stop.
 *
 *   INV-NODE-1  Nothing is served before recovery is done, and health says so.
 *   INV-NODE-2  After a fatal error nothing is answered as if it had been written.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { COMPACTION_POLICY, type Engine, openNodeEngine } from "@authledger/engine";
import { type Address, assert, joinAddress, LedgerError, splitAddress } from "@authledger/types";
import type { Logger } from "pino";
import { type Authn, openAuthn } from "./authn/authn.js";
import { beginTogether } from "./bootstrap.js";
import { ClusterWatch } from "./cluster-watch.js";
import { followClusterConfig } from "./config/cluster-config.js";
import type { ConfigDeps } from "./config/config-calls.js";
import { type ConfigChange, RuntimeConfig } from "./config/runtime-config.js";
import type { NodeConfig } from "./config.js";
import { type ConnectServer, startConnectServer } from "./connect/connect-server.js";
import { AuthorizeStep } from "./gate/authorize.js";
import { DeadlineStep } from "./gate/deadline.js";
import { Gate } from "./gate/gate.js";
import { VersionStep } from "./gate/version.js";
import { type GrpcServer, type GrpcServerOptions, startGrpcServer } from "./grpc-server.js";
import { handOver } from "./hand-over.js";
import { keepCallsYoung } from "./heap.js";
import { portOf, startHttp } from "./http.js";
import { Roles } from "./iam/roles.js";
import { LoopDelay } from "./loop-delay.js";
import { nodeRegistry } from "./metrics/node-metrics.js";
import { RpcMeters } from "./metrics.js";
import { Observability, type ObservabilityDeps } from "./observability.js";
import { type NodePeers, openNodePeers } from "./peer/node-peers.js";
import { Protection } from "./protection/protection.js";
import { QuotaStep } from "./quota/quota-step.js";
import { Quotas } from "./quota/quotas.js";
import { type ShutdownPhase, shutDown } from "./shutdown.js";
import { openTracing } from "./trace/open-tracing.js";
import type { SpanRecorder } from "./trace/tracing.js";

export interface NodeDeps extends ObservabilityDeps {
  readonly version: string;
  /** The gate holds nothing: for the bench that tells what it costs, and for nothing else. Default false. */
  readonly isBare?: boolean;
  /** The node cannot go on; the process must exit with the error's exit code: 74 for I/O, 70 for a bug. */
  readonly onFatal: (error: LedgerError) => void;
}

export interface RunningNode {
  readonly engine: Engine;
  /** host:port as bound. */
  readonly grpcAddress: string;
  readonly httpAddress: string;
  /** Undefined without a Connect port. */
  readonly connectAddress: string | undefined;
  /** As other nodes are told; undefined without a peer port. */
  readonly peerAddress: string | undefined;
  /** The node's own values of what may change while it runs are others; what became another one. */
  reconfigure(own: NodeConfig["runtime"]): readonly ConfigChange[];
  /** Stops taking calls, lets running ones finish, flushes and closes. */
  close(): Promise<void>;
}

/** @throws LedgerError DATA_DIR_IN_USE and what else keeps a node from starting */
export async function startNode(config: NodeConfig, deps: NodeDeps): Promise<RunningNode> {
  const startedAtMs = Date.now();
  keepCallsYoung();
  let grpc: GrpcServer | undefined;
  const onFatal = (error: LedgerError): void => {
    deps.logger.fatal({ err: error, code: error.code }, error.advice);
    if (grpc !== undefined) grpc.health.isServing = false;
    deps.onFatal(error);
  };
  const onAlarm = (alarm: string): void => deps.logger.error({ alarm }, "stored rows are damaged");
  const runtime = new RuntimeConfig(config.runtime);
  deps.logger.level = runtime.values.logLevel;
  runtime.subscribe("logLevel", (level) => {
    deps.logger.level = level;
  });
  const peers = await openNodePeers(config, deps.logger);
  const recorder = await openTracing(config, deps.version);
  const engine = await openEngine(config, { peers, runtime, recorder }, onFatal, onAlarm);
  runtime.subscribe("scrubHours", (hours) => engine.setScrubInterval(hours * 3_600_000));
  const cluster = followClusterConfig(engine, runtime, deps.logger);
  const delay = new LoopDelay((ms) =>
    deps.logger.warn({ ms: Math.round(ms) }, "the event loop was held: the machine is too busy"),
  );
  const watch = watchCluster(engine, deps.logger, (isReady) => {
    if (grpc !== undefined) grpc.health.isServing = isReady && engine.failure === undefined;
  });
  let authn: Authn | undefined;
  try {
    await watch.start();
    authn = await openAuthn(config, engine, deps.logger);
    const meters = new RpcMeters((error) => logError(deps.logger, error));
    const told = { ...deps, recorder, forwarding: authn.forwarding };
    const observability = await Observability.open(config, runtime, engine, told);
    const quotas = await openQuotas(authn, deps.logger);
    const protection = new Protection(() => runtime.values, {
      ...{ ...config, quotas },
      onHotKey: (hot) => deps.logger.warn(hot, "a key is asked for very often"),
    });
    const http = await listenHttp(config, {
      authn,
      observability,
      protection,
      engine,
      watch,
      meters,
      peers,
      delay,
      grpc: () => grpc,
    });
    const httpAddress = joinAddress({ ...split(config.http), port: portOf(http) });
    const { connections } = protection;
    const about = { ...deps, startedAtMs, httpAddress };
    const live = { runtime, cluster };
    const parts = { engine, meters, authn, protection, quotas, observability, live };
    grpc = await listenGrpc(config, parts, about).catch(async (error: unknown) => {
      http.close();
      throw error;
    });
    const front = grpc;
    const connect = await listenConnect(config, { ...front, connections, tls: authn.tls }).catch(
      async (error: unknown) => {
        http.close();
        await front.stop(0);
        throw error;
      },
    );
    front.health.isServing = engine.failure === undefined && watch.problem === undefined;
    const bootstrap = beginTogether(config, { engine, peers, logger: deps.logger });
    const phases: readonly ShutdownPhase[] = [
      {
        name: "readiness",
        run: () => {
          bootstrap?.stop();
          // It would say that the node is ready again.
          watch.stop();
          front.health.isServing = false;
          return observability.stopping();
        },
      },
      // A node that has failed answers nobody: there is nothing to wait for.
      { name: "delay", run: () => engine.failure ?? sleep(runtime.values.preStopDelay) },
      { name: "hand over", run: () => handOver(engine, deps.logger) },
      {
        name: "drain",
        run: () => {
          const graceMs = runtime.values.shutdownGrace;
          return Promise.all([front.stop(graceMs), connect?.stop(graceMs)]);
        },
      },
      { name: "tasks", run: () => observability.close() },
      {
        name: "close",
        run: async () => {
          cluster.stop();
          delay.stop();
          authn?.close();
          http.closeAllConnections();
          await new Promise<void>((resolve) => http.close(() => resolve()));
          await engine.close();
          await peers?.close();
        },
      },
    ];
    const close = (): Promise<void> => shutDown(phases, deps.logger);
    return {
      engine,
      grpcAddress: joinAddress({ ...split(config.listen), port: front.port }),
      httpAddress,
      connectAddress: connect?.address,
      peerAddress: peers?.cluster.peerAddress,
      reconfigure: (own) => runtime.setOwn(own),
      close,
    };
  } catch (error) {
    cluster.stop();
    authn?.close();
    watch.stop();
    delay.stop();
    await engine.close();
    await peers?.close();
    throw error;
  }
}

async function openEngine(
  { data, cache, clusterOrigin }: NodeConfig,
  {
    peers,
    runtime,
    recorder,
  }: {
    readonly peers: NodePeers | undefined;
    readonly runtime: RuntimeConfig;
    readonly recorder: SpanRecorder | undefined;
  },
  onFatal: (error: LedgerError) => void,
  onAlarm: (alarm: string) => void,
): Promise<Engine> {
  const options = {
    ...{ directory: data, cacheBytes: cache, clusterOrigin, cluster: peers?.cluster },
    compaction: COMPACTION_POLICY,
    scrubIntervalMs: runtime.values.scrubHours * 3_600_000,
  };
  try {
    return await openNodeEngine(options, onFatal, onAlarm, recorder);
  } catch (error) {
    await peers?.close();
    throw error;
  }
}

/** Who leads is worth a line of the log; a node alone leads for ever. */
function watchCluster(
  engine: Engine,
  logger: Logger,
  onReadiness: (isReady: boolean) => void,
): ClusterWatch {
  return new ClusterWatch({
    engine,
    nowMs: () => performance.now(),
    onReadiness: (problem) => {
      onReadiness(problem === undefined);
      if (problem !== undefined) logger.warn({ problem }, "not ready");
    },
    onChange: ({ role, term, leader, members }) => {
      const name = members.find(({ info }) => info.nodeId === leader)?.info.name;
      if (members.length > 1) logger.info({ role, term, leader: name }, "the cluster");
    },
  });
}

interface HttpParts {
  readonly authn: Authn;
  readonly observability: Observability;
  readonly engine: Engine;
  readonly watch: ClusterWatch;
  readonly meters: RpcMeters;
  readonly peers: NodePeers | undefined;
  readonly delay: LoopDelay;
  readonly protection: Protection;
  readonly grpc: () => GrpcServer | undefined;
}

async function listenHttp(
  config: NodeConfig,
  { authn, observability, engine, watch, meters, peers, delay, protection, grpc }: HttpParts,
): Promise<Awaited<ReturnType<typeof startHttp>>> {
  const isLive = (): boolean => engine.failure === undefined;
  const isStarted = (): boolean => grpc() !== undefined;
  const problem = (): string | undefined => {
    if (!isLive()) return "the node has stopped";
    if (!isStarted()) return "the node is starting";
    if (watch.problem !== undefined) return watch.problem;
    return grpc()?.health.isServing === true ? undefined : "the node is shutting down";
  };
  const registry = nodeRegistry({
    ...{ meters, delay, protection, errors: observability.errors, log: observability.metrics },
    stats: () => engine.stats(),
    cluster: () => watch.status,
    links: () => peers?.peers.stats() ?? [],
    certificateExpiresAtMs: () => authn.tls?.expiresAtMs ?? 0,
  });
  try {
    return await startHttp(split(config.http), { registry, problem, isLive, isStarted });
  } catch (error) {
    throw bindError(config.http, error);
  }
}

/** Follows the cluster's quotas from now on. */
async function openQuotas({ vault, moves }: Authn, logger: Logger): Promise<Quotas> {
  const quotas = new Quotas({
    system: vault,
    onProblem: (error) => logger.error({ err: error }, "quotas stay as they were"),
  });
  await quotas.start(moves);
  return quotas;
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

async function listenGrpc(
  config: NodeConfig,
  { engine, meters, authn, protection, quotas, observability, live }: GrpcParts,
  {
    isBare = false,
    ...about
  }: Pick<GrpcServerOptions, "version" | "startedAtMs" | "httpAddress"> & Pick<NodeDeps, "isBare">,
): Promise<GrpcServer> {
  const { listen, streamsPerConnection } = config;
  const { pageTokenKey } = engine;
  const options = { ...split(listen), streamsPerConnection, pageTokenKey, ...about };
  const roles = new Roles(engine, authn.moves);
  const authorize = new AuthorizeStep({ roles, isOpen: () => !authn.isRequired() });
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

async function listenConnect(
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
function split(address: string): Address {
  const parts = splitAddress(address);
  assert(parts !== undefined, "a configured address is host:port");
  return parts;
}

/** Only what is our fault is worth a line of the log. */
function logError(logger: Logger, error: unknown): void {
  const failure = LedgerError.from(error);
  if (failure.row.grpc === "INTERNAL" || failure.row.grpc === "DATA_LOSS") {
    logger.error({ err: error, code: failure.code }, failure.message);
  }
}
