/**
 * The cluster's part of the runtime configuration: entities `config:<field>` of the system vault, whose value is the
 * field's text. Every node looks at what it has applied, so a change reaches them as fast as entries do, and one of them
 * that was away has it when it has caught up.
 */
import type { EnginePort } from "@authledger/engine";
import { decodeUtf8, LedgerError, type Operation, utf8 } from "@authledger/types";
import type { Logger } from "pino";
import { hasEnded, isBeforeCluster } from "../system/not-serving.js";
import type { SystemMoves } from "../system/system-moves.js";
import { SystemVault, type SystemWrite } from "../system/system-vault.js";
import { Rounds } from "../watchdog/node-jobs.js";
import { type ConfigChange, parseRuntimeInput, type RuntimeConfig } from "./runtime-config.js";
import { isRuntimeField, RUNTIME_FIELD_NAMES, type RuntimeValues } from "./runtime-fields.js";

const PREFIX = "config:";
const LOOK_MS = 1_000;

export interface ClusterConfigDeps {
  readonly system: SystemVault;
  readonly config: RuntimeConfig;
  /** What changed because the cluster says so, or why it could not be read. */
  readonly onChange: (changes: readonly ConfigChange[]) => void;
  readonly onProblem: (problem: string) => void;
}

export class ClusterConfig {
  readonly #deps: ClusterConfigDeps;
  #timer: NodeJS.Timeout | undefined;
  /** Its looks, for the watchdog. */
  readonly rounds: Rounds = new Rounds();
  #seen = -1;
  /** Other rows may be there at the height that was seen. */
  #isReplaced = false;
  #problem = "";

  constructor(deps: ClusterConfigDeps) {
    this.#deps = deps;
  }

  start(): void {
    const look = () => void this.rounds.run(() => this.look());
    this.#timer = setInterval(look, LOOK_MS);
    this.#timer.unref();
    look();
  }

  /** Heights say nothing of a state that came in the place of another one. */
  hear(moves: Pick<SystemMoves, "onMove">): void {
    moves.onMove((change) => {
      this.#isReplaced ||= change.isOfEverything;
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Takes over what the cluster says, where the system vault has moved. Never rejects. */
  async look(): Promise<void> {
    const { system, config, onChange } = this.#deps;
    if (this.#isReplaced) this.#seen = -1;
    this.#isReplaced = false;
    try {
      const height = await system.height();
      if (height === this.#seen) return;
      const changes = config.setCluster(await this.#read());
      this.#seen = height;
      this.#problem = "";
      if (changes.length > 0) onChange(changes);
    } catch (thrown) {
      this.#tell(LedgerError.from(thrown));
    }
  }

  /**
   * Changes what the cluster says; an empty text takes a value away.
   * @throws LedgerError CONFIG_INVALID, and as a write
   */
  async update(
    values: Readonly<Record<string, string>>,
    about: SystemWrite & { readonly dryRun: boolean },
  ): Promise<readonly ConfigChange[]> {
    const { system, config } = this.#deps;
    const next = nextValues(config.cluster, values);
    const preview = config.preview(next);
    const names = Object.keys(values);
    if (about.dryRun || names.length === 0) return preview;
    const { dryRun: _, ...stamp } = about;
    await system.write(
      names.map((name) => operationOf(name, values[name]!)),
      stamp,
    );
    await this.look();
    return preview;
  }

  async #read(): Promise<Partial<RuntimeValues>> {
    const { entities } = await this.#deps.system.list(PREFIX);
    const texts: Record<string, string> = {};
    for (const { key, value } of entities) {
      const name = key.slice(PREFIX.length);
      // A newer version may know more fields.
      if (isRuntimeField(name)) texts[name] = decodeUtf8(value) ?? "";
    }
    return parseRuntimeInput(texts);
  }

  /** Each thing once. Before there is a cluster there is nothing to read. */
  #tell(error: LedgerError): void {
    const { message } = error;
    if (isBeforeCluster(error) || hasEnded(error) || message === this.#problem) return;
    this.#problem = message;
    this.#deps.onProblem(message);
  }
}

/** Follows the cluster's configuration from now on, with a line of the log for each change. */
export function followClusterConfig(
  engine: EnginePort,
  config: RuntimeConfig,
  logger: Logger,
): ClusterConfig {
  const cluster = new ClusterConfig({
    ...{ config, system: new SystemVault(engine) },
    onChange: (changes) => logger.info({ changes }, "the configuration changed"),
    onProblem: (problem) => logger.warn({ problem }, "the cluster's configuration is not followed"),
  });
  cluster.start();
  return cluster;
}

/** @throws LedgerError CONFIG_INVALID */
function nextValues(
  now: Partial<RuntimeValues>,
  values: Readonly<Record<string, string>>,
): Partial<RuntimeValues> {
  const given = Object.entries(values).filter(([, text]) => text !== "");
  const parsed = parseRuntimeInput(Object.fromEntries(given));
  const removed = new Set(Object.keys(values).filter((name) => values[name] === ""));
  const kept = RUNTIME_FIELD_NAMES.filter((name) => now[name] !== undefined && !removed.has(name));
  return { ...Object.fromEntries(kept.map((name) => [name, now[name]])), ...parsed };
}

function operationOf(name: string, text: string): Operation {
  const key = `${PREFIX}${name}`;
  const condition = { kind: "none" } as const;
  if (text === "") return { op: "delete_entity", key, condition };
  return { op: "set_entity", key, value: utf8(text), expiresAtMs: 0, condition };
}
