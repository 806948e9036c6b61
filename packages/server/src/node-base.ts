/** What a node consists of below its ports: peers, the engine, what is watched and what may change while it runs. */
import { COMPACTION_POLICY, type Engine, openNodeEngine } from "@authledger/engine";
import type { LedgerError } from "@authledger/types";
import type { Logger } from "pino";
import { ClusterWatch } from "./cluster-watch.js";
import { followClusterConfig } from "./config/cluster-config.js";
import { RuntimeConfig } from "./config/runtime-config.js";
import type { NodeConfig } from "./config.js";
import { LoopDelay } from "./loop-delay.js";
import { type NodePeers, openNodePeers } from "./peer/node-peers.js";
import { openTracing } from "./trace/open-tracing.js";
import type { SpanRecorder } from "./trace/tracing.js";
import { engineJobs } from "./watchdog/node-jobs.js";
import { Watchdog } from "./watchdog/watchdog.js";

/** What the base asks of its node. */
export interface NodeBaseDeps {
  readonly version: string;
  readonly logger: Logger;
  readonly onFatal: (error: LedgerError) => void;
  readonly onReadiness: (isReady: boolean) => void;
}

export interface NodeBase {
  readonly runtime: RuntimeConfig;
  readonly peers: NodePeers | undefined;
  readonly recorder: SpanRecorder | undefined;
  readonly engine: Engine;
  readonly cluster: ReturnType<typeof followClusterConfig>;
  readonly delay: LoopDelay;
  readonly watch: ClusterWatch;
  readonly watchdog: Watchdog;
  /** Stops what watches and follows; the engine goes on. */
  stopWatching(): void;
  /** Closes the engine, then its links. */
  close(): Promise<void>;
}

/** @throws LedgerError DATA_DIR_IN_USE and what else keeps an engine from opening */
export async function openNodeBase(config: NodeConfig, deps: NodeBaseDeps): Promise<NodeBase> {
  const { logger, version, onReadiness } = deps;
  const runtime = new RuntimeConfig(config.runtime);
  logger.level = runtime.values.logLevel;
  runtime.subscribe("logLevel", (level) => {
    logger.level = level;
  });
  const peers = await openNodePeers(config, logger);
  const recorder = await openTracing(config, version, logger);
  const engine = await openEngine(config, { peers, runtime, recorder }, deps);
  runtime.subscribe("scrubHours", (hours) => engine.setScrubInterval(hours * 3_600_000));
  const cluster = followClusterConfig(engine, runtime, logger);
  const delay = new LoopDelay((ms) =>
    logger.warn({ ms: Math.round(ms) }, "the event loop was held: the machine is too busy"),
  );
  const watch = watchCluster(engine, logger, onReadiness);
  const watchdog = watchJobs({ engine, watch, cluster }, logger);
  const stopWatching = (): void => {
    watchdog.stop();
    cluster.stop();
    watch.stop();
    delay.stop();
  };
  const close = async (): Promise<void> => {
    await engine.close();
    await peers?.close();
  };
  return { runtime, peers, recorder, engine, cluster, delay, watch, watchdog, stopWatching, close };
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
  { logger, onFatal }: NodeBaseDeps,
): Promise<Engine> {
  // Each has its own words: what is done about one is wrong for another.
  const onAlarm = (alarm: string): void => logger.error({ alarm: true }, alarm);
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

/** What is stuck fails liveness, and whoever runs the node starts it again. */
function watchJobs(
  { engine, watch, cluster }: Pick<NodeBase, "engine" | "watch" | "cluster">,
  logger: Logger,
): Watchdog {
  const watchdog = new Watchdog({
    nowMs: () => performance.now(),
    onStuck: (job, ms) =>
      logger.error({ job, ms: Math.round(ms) }, "a job is stuck: the node is not alive"),
    onGoesOn: (job) => logger.warn({ job }, "a job that was stuck goes on"),
  });
  const figures = { stats: () => engine.stats(), status: () => watch.status };
  const own = [watch.rounds.job("looking at the cluster"), cluster.rounds.job("configuration")];
  for (const job of [...engineJobs(figures), ...own]) watchdog.watch(job);
  watchdog.start();
  return watchdog;
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
