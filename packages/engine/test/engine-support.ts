/** What the tests of the engine share: nodes on a memory disk whose time moves only when it is told to. */
import { createPublicKey, verify } from "node:crypto";
import {
  type Clock,
  type Disk,
  MemoryDisk,
  NodeHasher,
  nodeTimers,
  SeededRandom,
  type Timers,
} from "@authledger/io";
import type { LightClientDeps } from "@authledger/proof";
import type { Consistency, LedgerError, Operation, TransactionRequest } from "@authledger/types";
import { Engine, type EngineOptions, type TransactionOutcome } from "../src/index.js";

export const DIRECTORY = "/data";
export const STORE_FILE = "/data/groups/1/state.db";
export const LINEARIZABLE: Consistency = { kind: "linearizable" };
const START_MS = 1_760_000_000_000;

/** A clock that moves when it is told to, and the timers that hang on it. */
export class TestTime implements Clock, Timers {
  /** The wall clock may be set to anything. */
  wallMs: number = START_MS;
  #monotonicMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>();

  nowMs(): number {
    return this.wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#monotonicMs + delayMs, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  yield(): Promise<void> {
    return nodeTimers.yield();
  }

  /** Time has passed while nothing ran, as for a process that was stopped. */
  skipTo(monotonicMs: number): void {
    this.wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }

  /** Lets time pass, and runs what was waiting for it. */
  advance(ms: number): void {
    this.wallMs += ms;
    this.#monotonicMs += ms;
    for (const timer of this.#timers) {
      if (timer.atMs > this.#monotonicMs) continue;
      this.#timers.delete(timer);
      timer.run();
    }
  }
}

export interface NodeOptions extends Partial<EngineOptions> {
  readonly seed?: number;
  readonly time?: TestTime;
  /** Where what is fatal goes, for opens that fail. */
  readonly fatal?: LedgerError[];
  readonly lock?: (directory: string) => Promise<{ release(): Promise<void> }>;
  readonly onAlarm?: (alarm: string) => void;
}

/** An engine with what it was given, and what it has reported as fatal. */
export interface TestNode {
  readonly engine: Engine;
  readonly time: TestTime;
  readonly fatal: LedgerError[];
}

export async function openNode(
  disk: Disk = new MemoryDisk(),
  options: NodeOptions = {},
): Promise<TestNode> {
  const { seed = 1, time = new TestTime(), lock = noLock, fatal = [], onAlarm, ...rest } = options;
  const engine = await Engine.open(
    { directory: DIRECTORY, cacheBytes: 1 << 22, logSegmentBytes: 256 * 1024, ...rest },
    {
      disk,
      clock: time,
      timers: time,
      random: new SeededRandom(seed),
      hasher: new NodeHasher(),
      lock,
      onFatal: (error) => fatal.push(error),
      onAlarm,
    },
  );
  return { engine, time, fatal };
}

async function noLock(): Promise<{ release(): Promise<void> }> {
  return { release: async () => undefined };
}

/** A vault of a new organization; its internal id. */
export async function newVault(engine: Engine): Promise<number> {
  const { organization } = await engine.call("create_organization", { name: "acme", actor: "a" });
  const { slug } = organization;
  const made = await engine.call("create_vault", { organization: slug, name: "v", actor: "a" });
  const { vault } = await engine.call("resolve_vault", {
    organization: slug,
    vault: made.vault.slug,
  });
  return vault;
}

export const tupleOf = (
  resource: string,
  subject = "user:ada",
  relation = "viewer",
): { resource: string; relation: string; subject: string } => ({ resource, relation, subject });

export function createTuple(resource: string, subject?: string): Operation {
  return { op: "create_tuple", tuple: tupleOf(resource, subject), expiresAtMs: 0 };
}

export function setEntity(key: string, text: string): Operation {
  const value = new TextEncoder().encode(text);
  return { op: "set_entity", key, value, expiresAtMs: 0, condition: { kind: "none" } };
}

export function transactionOf(
  operations: readonly Operation[],
  about: Partial<TransactionRequest> = {},
): TransactionRequest {
  return { operations, clientId: "", idempotencyKey: "", reason: "", ...about };
}

/** Writes transactions in one call. */
export async function writeAll(
  engine: Engine,
  vault: number,
  transactions: readonly TransactionRequest[],
  deadlineAtMs?: number,
): Promise<readonly TransactionOutcome[]> {
  const request = { vault, transactions, actor: "user:ada", prove: false };
  return (await engine.call("write", request, deadlineAtMs)).outcomes;
}

/** Writes one transaction and returns what became of it. */
export async function writeOne(
  engine: Engine,
  vault: number,
  operations: readonly Operation[],
  about: Partial<TransactionRequest> = {},
): Promise<TransactionOutcome> {
  const [outcome] = await writeAll(engine, vault, [transactionOf(operations, about)]);
  return outcome!;
}

type Applied = Extract<TransactionOutcome, { kind: "applied" }>;

/** The outcome, which must be that of an applied transaction. */
export function applied(outcome: TransactionOutcome | undefined): Applied {
  if (outcome?.kind === "applied") return outcome;
  throw new Error(`expected an applied transaction: ${outcome?.code}: ${outcome?.message}`);
}

/** Why it was refused. */
export function refusalOf(outcome: TransactionOutcome | undefined): string {
  if (outcome?.kind === "refused") return outcome.code;
  throw new Error("expected a refused transaction, it was applied");
}

/** Lets everything that is ready run. */
export async function settle(turns = 5): Promise<void> {
  for (let i = 0; i < turns; i++) await nodeTimers.yield();
}

const PUBLIC_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** A light client with the quick verifier of node:crypto. */
export const clientDeps: LightClientDeps = {
  hasher: new NodeHasher(),
  verifier: {
    verify(publicKey, message, signature) {
      const key = Buffer.concat([PUBLIC_PREFIX, publicKey]);
      return verify(
        null,
        message,
        createPublicKey({ key, format: "der", type: "spki" }),
        signature,
      );
    },
  },
};
