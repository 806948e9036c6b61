/**
 * The canonical line of a call: everything that is known of it in one line of the log (L-183), so that a question about
 * one call is one search, and a question about many is a count of lines.
 */
import { SDK_KEY } from "@authledger/proto";
import { GrpcStatus, LedgerError } from "@authledger/types";
import type { Logger } from "pino";
import { type CallClass, callClassOf } from "../gate/call-class.js";
import type { CallObserver } from "../gate/gate.js";
import type { GatedCall } from "../gate/gated-call.js";
import type { MethodInfo } from "../gate/method.js";
import { ForeignError } from "../grpc-error.js";
import { type LogReason, type LogRules, reasonToLog } from "./log-rules.js";

const SDK_LENGTH_MAX = 64;
/** More lines are not worth what they cost a node under attack; it is told how many were left out. */
const LINES_PER_SECOND_MAX = 1_000;
const STATUS_NAMES: readonly string[] = Object.keys(GrpcStatus);

export interface CallLogDeps {
  readonly logger: Logger;
  /** Of [0, 1). */
  readonly random: () => number;
  /** On the monotonic clock, in milliseconds. */
  readonly nowMs: () => number;
}

export class CallLog implements CallObserver {
  readonly #deps: CallLogDeps;
  readonly #classes = new Map<MethodInfo, CallClass>();
  #secondBeganMs = Number.NEGATIVE_INFINITY;
  #linesOfSecond = 0;
  /** May be replaced while the node runs. */
  rules: LogRules;
  /** Since the start. */
  lines = 0;
  /** Left out since there were too many in a second. */
  dropped = 0;

  constructor(deps: CallLogDeps, rules: LogRules) {
    this.#deps = deps;
    this.rules = rules;
  }

  ended(call: GatedCall, durationMs: number): void {
    if (!this.#deps.logger.isLevelEnabled("info")) return;
    const kind = this.#classOf(call.method);
    const reason = reasonToLog(call, kind, durationMs, this.rules, this.#deps.random);
    if (reason === undefined) return;
    if (!this.#hasRoom()) {
      this.dropped++;
      return;
    }
    this.lines++;
    this.#deps.logger.info(lineOf(call, kind, durationMs, reason), "call");
  }

  #classOf(method: MethodInfo): CallClass {
    let kind = this.#classes.get(method);
    if (kind === undefined) {
      kind = callClassOf(method);
      this.#classes.set(method, kind);
    }
    return kind;
  }

  #hasRoom(): boolean {
    const nowMs = this.#deps.nowMs();
    if (nowMs - this.#secondBeganMs >= 1_000) {
      this.#secondBeganMs = nowMs;
      this.#linesOfSecond = 0;
    }
    return this.#linesOfSecond++ < LINES_PER_SECOND_MAX;
  }
}

function lineOf(
  call: GatedCall,
  kind: CallClass,
  durationMs: number,
  reason: LogReason,
): Record<string, unknown> {
  const { method, principal, status, error } = call;
  const target = isDecoded(call) ? call.target : {};
  return {
    requestId: call.requestId,
    traceId: call.traceId,
    principal: principal.name,
    organization: slugOf(target.organization),
    vault: slugOf(target.vault),
    method: `${method.service}/${method.name}`,
    status: STATUS_NAMES[status] ?? status,
    error: codeOf(error),
    ms: Math.round(durationMs * 1_000) / 1_000,
    raft: raftRoundTrips(call, kind),
    forward: call.wasPassedOn ? "to-leader" : call.isForwarded ? "from-node" : undefined,
    sdk: textOf(call, SDK_KEY, SDK_LENGTH_MAX),
    client: call.client,
    why: reason,
  };
}

/** A malformed request names nothing. */
function isDecoded({ wire }: GatedCall): boolean {
  return typeof wire.request === "object" && wire.request !== null;
}

/** Slug 0 is none. */
function slugOf(slug: unknown): string | undefined {
  return typeof slug === "bigint" && slug !== 0n ? String(slug) : undefined;
}

function codeOf(error: unknown): string | undefined {
  if (error === undefined) return undefined;
  if (error instanceof LedgerError || error instanceof ForeignError) return error.code;
  return "INTERNAL";
}

/**
 * Rounds to the other nodes that the call had to wait for here: one for what was written, and one where the leadership was
 * confirmed for a linearizable read (a group of one answers it without). What was passed on waited elsewhere.
 */
function raftRoundTrips(call: GatedCall, kind: CallClass): number {
  if (call.wasPassedOn || call.status !== GrpcStatus.OK) return 0;
  if (kind !== "read") return 1;
  const { consistency } = call.target as {
    readonly consistency?: { readonly requirement?: unknown };
  };
  const requirement = consistency?.requirement as { readonly $case?: string } | undefined;
  return requirement?.$case === "linearizable" ? 1 : 0;
}

function textOf({ wire }: GatedCall, key: string, lengthMax: number): string | undefined {
  const [value] = wire.metadata.get(key);
  return typeof value === "string" ? value.slice(0, lengthMax) : undefined;
}
