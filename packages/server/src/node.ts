/**
 * A node: the engine with gRPC and HTTP in front of it, from start to stop.
 *
 *   INV-NODE-1  Nothing is served before recovery is done, and health says so.
 *   INV-NODE-2  After a fatal error nothing is answered as if it had been written.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "@authledger/engine";
import { joinAddress, LedgerError } from "@authledger/types";
import type { Logger } from "pino";
import { type Authn, openAuthn } from "./authn/authn.js";
import { beginTogether } from "./bootstrap.js";
import type { ConfigChange } from "./config/runtime-config.js";
import type { NodeConfig } from "./config.js";
import { Connections } from "./connections.js";
import type { GrpcServer } from "./grpc-server.js";
import { handOver } from "./hand-over.js";
import { keepCallsYoung } from "./heap.js";
import { portOf } from "./http.js";
import { RpcMeters } from "./metrics.js";
import { type NodeBase, openNodeBase } from "./node-base.js";
import { listenConnect, listenGrpc, listenHttp, split } from "./node-ports.js";
import { Observability, type ObservabilityDeps } from "./observability.js";
import { Protection } from "./protection/protection.js";
import { Quotas } from "./quota/quotas.js";
import { type ShutdownPhase, shutDown } from "./shutdown.js";

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

/** The gRPC side, once it is there: health speaks through it. */
interface Serving {
  grpc: GrpcServer | undefined;
}

/** What answers clients. */
interface Front {
  readonly authn: Authn;
  readonly observability: Observability;
  readonly http: Awaited<ReturnType<typeof listenHttp>>;
  readonly httpAddress: string;
  readonly grpc: GrpcServer;
  readonly connect: Awaited<ReturnType<typeof listenConnect>>;
}

/** @throws LedgerError DATA_DIR_IN_USE and what else keeps a node from starting */
export async function startNode(config: NodeConfig, deps: NodeDeps): Promise<RunningNode> {
  const startedAtMs = Date.now();
  keepCallsYoung();
  const { logger } = deps;
  const serving: Serving = { grpc: undefined };
  const base = await openNodeBase(config, {
    ...deps,
    onFatal: (error) => {
      logger.fatal({ err: error, code: error.code }, error.advice);
      if (serving.grpc !== undefined) serving.grpc.health.isServing = false;
      deps.onFatal(error);
    },
    onReadiness: (isReady) => {
      if (serving.grpc === undefined) return;
      serving.grpc.health.isServing = isReady && base.engine.failure === undefined;
    },
  });
  const { engine, peers, runtime } = base;
  try {
    const front = await openFront(config, { ...deps, startedAtMs }, base, serving);
    const bootstrap = beginTogether(config, { engine, peers, logger });
    const phases = shutdownPhases(base, front, { stop: () => bootstrap?.stop(), logger });
    return {
      engine,
      grpcAddress: joinAddress({ ...split(config.listen), port: front.grpc.port }),
      httpAddress: front.httpAddress,
      connectAddress: front.connect?.address,
      peerAddress: peers?.cluster.peerAddress,
      reconfigure: (own) => runtime.setOwn(own),
      close: () => shutDown(phases, logger),
    };
  } catch (error) {
    base.stopWatching();
    await base.close();
    throw error;
  }
}

async function openFront(
  config: NodeConfig,
  deps: NodeDeps & { readonly startedAtMs: number },
  base: NodeBase,
  serving: Serving,
): Promise<Front> {
  const { engine, runtime, cluster, recorder, watch } = base;
  const { logger } = deps;
  await watch.start();
  const connections = new Connections(config);
  const authn = await openAuthn(config, { engine, logger, connections });
  /** What to undo, newest first, when a later part does not open. */
  const opened: (() => unknown)[] = [() => authn.close()];
  base.watchdog.watch(authn.moves.job);
  cluster.hear(authn.moves);
  try {
    const meters = new RpcMeters((error) => logError(logger, error));
    const told = { ...deps, recorder, forwarding: authn.forwarding };
    const observability = await Observability.open(config, runtime, engine, told);
    const quotas = await openQuotas(authn, logger);
    const protection = new Protection(() => runtime.values, {
      ...{ ...config, quotas, connections },
      onHotKey: (hot) => logger.warn(hot, "a key is asked for very often"),
    });
    const parts = { engine, meters, authn, protection, observability };
    const http = await listenHttp(config, { ...base, ...parts, grpc: () => serving.grpc });
    opened.unshift(() => http.close());
    const httpAddress = joinAddress({ ...split(config.http), port: portOf(http) });
    const live = { runtime, cluster };
    const grpc = await listenGrpc(config, { ...parts, quotas, live }, { ...deps, httpAddress });
    opened.unshift(() => grpc.stop(0));
    const connect = await listenConnect(config, { ...grpc, connections, tls: authn.tls });
    serving.grpc = grpc;
    grpc.health.isServing = engine.failure === undefined && watch.problem === undefined;
    return { authn, observability, http, httpAddress, grpc, connect };
  } catch (error) {
    for (const undo of opened) await undo();
    throw error;
  }
}

/** From the first sign of the end to the last byte on the disk (L-157). */
function shutdownPhases(
  base: NodeBase,
  front: Front,
  bootstrap: { readonly stop: () => void; readonly logger: Logger },
): readonly ShutdownPhase[] {
  const { engine, runtime, watch } = base;
  const { authn, observability, http, grpc, connect } = front;
  return [
    {
      name: "readiness",
      run: () => {
        bootstrap.stop();
        // It would say that the node is ready again.
        watch.stop();
        grpc.health.isServing = false;
        return observability.stopping();
      },
    },
    // A node that has failed answers nobody: there is nothing to wait for.
    { name: "delay", run: () => engine.failure ?? sleep(runtime.values.preStopDelay) },
    { name: "hand over", run: () => handOver(engine, bootstrap.logger) },
    {
      name: "drain",
      run: () => {
        const graceMs = runtime.values.shutdownGrace;
        return Promise.all([grpc.stop(graceMs), connect?.stop(graceMs)]);
      },
    },
    { name: "tasks", run: () => observability.close() },
    {
      name: "close",
      run: async () => {
        base.stopWatching();
        authn.close();
        http.closeAllConnections();
        await new Promise<void>((resolve) => http.close(() => resolve()));
        await base.close();
      },
    },
  ];
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

/** Only what is our fault is worth a line of the log. */
function logError(logger: Logger, error: unknown): void {
  const failure = LedgerError.from(error);
  if (failure.row.grpc === "INTERNAL" || failure.row.grpc === "DATA_LOSS") {
    logger.error({ err: error, code: failure.code }, failure.message);
  }
}
