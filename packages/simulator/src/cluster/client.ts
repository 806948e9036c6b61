/**
 * A simulated client: one operation at a time on a few keys, each with an idempotency key of its own, sent again until it is
 * answered or given up; every question and answer is recorded.
 *
 * An operation is refused only if every attempt was; a refusal behind an attempt that nobody knows the end of proves nothing,
 * since that attempt may still be on its way.
 */
import type { AnswerProof, EngineReply, TransactionOutcome } from "@authledger/engine";
import { SeededRandom } from "@authledger/io";
import {
  type Consistency,
  decodeUtf8,
  height as heightOf,
  type Operation as LedgerOperation,
  logIndex,
  type SetCondition,
  utf8,
  vaultId,
} from "@authledger/types";
import type { Answered, HistoryRecorder, Question } from "../history/recorder.js";
import { type Attempt, ClientCalls, type ClientWorld, isCertain } from "./client-calls.js";
import { type Machine, WALL_MS } from "./machine.js";
import { ProvenReader } from "./proven-reader.js";
import { judgeInclusion } from "./proven-write.js";
import { Violation } from "./replica-check.js";
import type { Sometimes } from "./sometimes.js";
import type { StalenessOracle } from "./staleness-oracle.js";

/** Attempts of one operation. */
const ATTEMPTS_MAX = 8;
const PAUSE_MS = 60;
/** Ages that reads allow: less than it takes to elect a leader, about as long, and longer than most faults last. */
const AGES_MS = [100, 600, 1_200, 5_000] as const;

export interface ClientDeps extends ClientWorld {
  readonly recorder: HistoryRecorder;
  readonly sometimes: Sometimes;
  /** Internal ids of the vaults there are. */
  readonly vaults: () => readonly number[];
  readonly staleness: StalenessOracle;
  /** Told of each write that was acknowledged. */
  readonly onAcknowledged: (write: Acknowledged) => void;
}

export interface Acknowledged {
  readonly id: string;
  /** Not before its entry. */
  readonly index: number;
}

interface ReadReply {
  readonly at: { readonly height: number; readonly index: number };
  readonly proof?: AnswerProof;
}

type WriteKind = "put" | "del" | "cas" | "create" | "delete";

interface Write {
  readonly op: WriteKind;
  readonly key: string;
  readonly in: string | null;
  readonly exp: string | null;
}

export class Client {
  readonly #number: number;
  readonly #deps: ClientDeps;
  readonly #random: SeededRandom;
  readonly #calls: ClientCalls;
  #count = 0;
  #isStopped = false;
  /** The newest point that this client knows of each vault. */
  readonly #known = new Map<number, { height: number; index: number }>();
  /** What it last saw or wrote, by key: what a cas expects. */
  readonly #seen = new Map<string, string | null>();
  /** A light client for each vault. */
  readonly #readers = new Map<number, ProvenReader>();

  constructor(number: number, deps: ClientDeps) {
    this.#number = number;
    this.#deps = deps;
    this.#random = new SeededRandom(
      (deps.settings.seed ^ Math.imul(number + 77, 0x85ebca6b)) >>> 0,
    );
    this.#calls = new ClientCalls(deps);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Works until it is stopped. */
  async work(): Promise<void> {
    const { loop, settings } = this.#deps;
    while (!this.#isStopped) {
      await loop.sleep(this.#random.int(settings.thinkMsMax));
      const vaults = this.#deps.vaults();
      if (vaults.length === 0) continue;
      const vault = this.#random.pick(vaults);
      if (this.#random.chance(0.5)) await this.#write(vault);
      else await this.#read(vault);
    }
  }

  /** One write that must be answered for the cluster to count as healed. */
  async writeFresh(vault: number): Promise<boolean> {
    const write: Write = {
      op: "put",
      key: "fresh",
      in: `fresh ${this.#number}/${this.#count}`,
      exp: null,
    };
    return this.#send(vault, [write]);
  }

  async #write(vault: number): Promise<void> {
    const writes = [this.#newWrite(vault)];
    // Now and then a transaction of several writes, which happen together or not at all.
    if (writes[0]!.op !== "cas" && this.#random.chance(0.15)) {
      const other = this.#newWrite(vault);
      if (other.op !== "cas" && other.key !== writes[0]!.key) writes.push(other);
    }
    await this.#send(vault, writes);
  }

  #newWrite(vault: number): Write {
    const random = this.#random;
    const number = random.int(this.#deps.settings.keys);
    const op = random.pick([
      "put",
      "put",
      "del",
      "cas",
      "cas",
      "create",
      "create",
      "delete",
    ] as const);
    if (op === "create" || op === "delete")
      return { op, key: tupleKeyOf(number), in: null, exp: null };
    const key = `k${number}`;
    const value = op === "del" ? null : `v${this.#number}.${this.#count}.${random.int(1_000)}`;
    const seen = this.#seen.get(`${vault}/${key}`) ?? null;
    return { op, key, in: value, exp: op === "cas" ? seen : null };
  }

  /** Sends a transaction until it is answered. True when it was acknowledged. */
  async #send(vault: number, writes: readonly Write[]): Promise<boolean> {
    const { loop } = this.#deps;
    const id = `c${this.#number}/${this.#count++}`;
    const answered = writes.map((write) =>
      this.#ask({ proc: this.#number, ...write, vault: String(vault), id }),
    );
    const request = {
      vault,
      actor: `user:c${this.#number}`,
      prove: this.#random.chance(0.3),
      transactions: [
        {
          operations: writes.map(operationOf),
          clientId: `c${this.#number}`,
          idempotencyKey: id,
          reason: id,
        },
      ],
    };
    let isOpen = false;
    for (let left = ATTEMPTS_MAX; left > 0 && !this.#isStopped; left--) {
      const attempt = await this.#calls.attempt(this.#calls.leader, "write", request);
      if (attempt.kind === "answered") {
        const { reply } = attempt;
        const { prove } = request;
        const done = this.#noteWrite(vault, id, writes, answered, { reply, isOpen, prove });
        if (done !== "again") return done === "acknowledged";
        isOpen ||= !isCertain(reply.outcomes[0] as { code: "INTERNAL" });
      } else if (attempt.kind === "unknown") {
        isOpen = true;
      }
      await loop.sleep(PAUSE_MS);
    }
    if (!isOpen) for (const answer of answered) answer({ ok: false, out: null });
    return false;
  }

  #noteWrite(
    vault: number,
    id: string,
    writes: readonly Write[],
    answered: readonly Answered[],
    {
      reply,
      isOpen,
      prove,
    }: {
      readonly reply: EngineReply<"write">;
      readonly isOpen: boolean;
      readonly prove: boolean;
    },
  ): "acknowledged" | "refused" | "again" {
    const outcome = reply.outcomes[0]!;
    const { index } = reply.at;
    if (outcome.kind === "refused") {
      if (outcome.code !== "PRECONDITION_FAILED") return "again";
      // An earlier attempt may still be on its way, and match.
      if (!isOpen) for (const answer of answered) answer({ ok: true, out: false, index });
      return "refused";
    }
    this.#learn(vault, { height: outcome.height, index });
    if (outcome.replayed) this.#deps.sometimes.note("write answered from the first attempt");
    // The vaults of clients keep all their blocks: a proof that is missing is a wrong one.
    const shown = prove ? (judgeInclusion(outcome, id) ?? { proof: false }) : {};
    if (prove) this.#deps.sometimes.note("write proven");
    for (const [i, write] of writes.entries()) {
      const out = outOf(write.op, outcome, i);
      answered[i]!({ ok: true, out, index, height: outcome.height, ...shown });
      this.#seen.set(`${vault}/${write.key}`, write.in);
    }
    this.#deps.staleness.acknowledged(index);
    this.#deps.onAcknowledged({ id, index });
    return "acknowledged";
  }

  async #read(vault: number): Promise<void> {
    const { loop } = this.#deps;
    const isTuple = this.#random.chance(0.4);
    const number = this.#random.int(this.#deps.settings.keys);
    const consistency = this.#consistency(vault);
    const question: Question = {
      ...{ proc: this.#number, op: isTuple ? "check" : "get", in: null, exp: null },
      key: isTuple ? tupleKeyOf(number) : `k${number}`,
      vault: String(vault),
      ...(consistency.kind !== "at_height" && { read: consistency.kind }),
      ...(consistency.kind === "at_least" && { atLeast: consistency.point.index }),
    };
    const answered = this.#ask(question);
    // Any node answers reads.
    const isAnywhere = this.#random.chance(0.6);
    const isProven = consistency.kind === "linearizable" && this.#random.chance(0.2);
    for (let left = ATTEMPTS_MAX; left > 0 && !this.#isStopped; left--) {
      const askedAtMs = loop.now;
      const machine = isAnywhere ? this.#calls.any() : this.#calls.leader;
      const reader = isProven ? await this.#readerOf(vault, machine) : undefined;
      const proving = reader && { prove: reader.prove };
      if (isTuple) {
        const request = { vault, consistency, tuples: [tupleOf(number)], ...proving };
        const attempt = await this.#calls.attempt(machine, "check", request);
        this.#judgeAge(consistency, askedAtMs, attempt);
        const heldIn = ({ allowed }: EngineReply<"check">): boolean => allowed[0]!;
        if (this.#noteRead(vault, question, { answered, attempt, heldIn, reader })) return;
      } else {
        const request = { vault, consistency, keys: [question.key], ...proving };
        const attempt = await this.#calls.attempt(machine, "read_entities", request);
        this.#judgeAge(consistency, askedAtMs, attempt);
        const heldIn = ({ entities }: EngineReply<"read_entities">): string | null =>
          entities[0] === undefined ? null : decodeUtf8(entities[0].value)!;
        if (this.#noteRead(vault, question, { answered, attempt, heldIn, reader })) return;
      }
      await loop.sleep(PAUSE_MS);
    }
  }

  /** INV-SIM-30 */
  #judgeAge(consistency: Consistency, askedAtMs: number, attempt: Attempt<ReadReply>): void {
    if (consistency.kind !== "any" || attempt.kind !== "answered") return;
    const { index } = attempt.reply.at;
    const { maxStalenessMs } = consistency;
    const required = this.#deps.staleness.requiredIndex(askedAtMs, maxStalenessMs);
    this.#deps.sometimes.note("age of an answer judged");
    if (index >= required) return;
    const what = `${attempt.machine.name} answered a read that allows ${maxStalenessMs} ms as of ${index}; ${required} was acknowledged before that`;
    throw new Violation("INV-SIM-30", what);
  }

  async #readerOf(vault: number, machine: Machine): Promise<ProvenReader | undefined> {
    const known = this.#readers.get(vault);
    if (known !== undefined) return known;
    const attempt = await this.#calls.attempt(machine, "get_trust_anchor", { vault });
    if (attempt.kind !== "answered") return undefined;
    const reader = new ProvenReader(attempt.reply.anchor);
    this.#readers.set(vault, reader);
    return reader;
  }

  #noteRead<R extends ReadReply>(
    vault: number,
    question: Question,
    read: {
      readonly answered: Answered;
      readonly attempt: Attempt<R>;
      readonly heldIn: (reply: R) => string | boolean | null;
      readonly reader: ProvenReader | undefined;
    },
  ): boolean {
    const { answered, attempt, heldIn, reader } = read;
    if (attempt.kind !== "answered") return false;
    const { reply } = attempt;
    const { at, proof } = reply;
    const out = heldIn(reply);
    const shown = reader && proof ? this.#verify(vault, question, reader, proof, out) : {};
    answered({ ok: true, out, index: at.index, height: at.height, ...shown });
    if (question.op === "get") this.#seen.set(`${vault}/${question.key}`, out as string | null);
    // A stale answer tells nothing that later ones have to keep to.
    if (question.read !== "any") this.#learn(vault, at);
    return true;
  }

  /** Whether the proof shows what was answered. */
  #verify(
    vault: number,
    { op, key }: Question,
    reader: ProvenReader,
    proof: AnswerProof,
    out: string | boolean | null,
  ): { readonly proof?: boolean; readonly root?: string } {
    const { trace, sometimes, loop } = this.#deps;
    const about = op === "check" ? { tuple: tupleNamed(key) } : { entity: key };
    const proven = reader.judge(about, proof, WALL_MS + loop.now);
    if (proven.kind === "other-policy") {
      sometimes.note("proof under a newer policy");
      this.#readers.delete(vault);
      return {};
    }
    if (proven.kind === "wrong") {
      trace.note(`c${this.#number}`, `the proof is wrong: ${proven.why}`);
      return { proof: false };
    }
    sometimes.note("answer proven");
    const isThere = op === "check" ? out === true : out !== null;
    return { proof: proven.isThere === isThere, root: proven.root };
  }

  #ask(question: Question): Answered {
    const { recorder, trace } = this.#deps;
    const who = `c${this.#number}`;
    const { op, key, in: value, vault } = question;
    const what = `${op} ${vault}:${key}${value === null ? "" : ` ${value}`}`;
    trace.note(who, what);
    const answered = recorder.ask(question);
    return (answer) => {
      trace.note(who, `${what}: ${answer.ok ? `${answer.out} at ${answer.index}` : "refused"}`);
      answered(answer);
    };
  }

  #learn(vault: number, at: { readonly height: number; readonly index: number }): void {
    const known = this.#known.get(vault);
    if (known === undefined || at.index > known.index) this.#known.set(vault, { ...at });
  }

  #consistency(vault: number): Consistency {
    const known = this.#known.get(vault);
    const kind = this.#random.pick(["linearizable", "linearizable", "at_least", "any"] as const);
    if (kind === "any") return { kind, maxStalenessMs: this.#random.pick(AGES_MS) };
    if (kind === "linearizable" || known === undefined) return { kind: "linearizable" };
    const { height, index } = known;
    return {
      kind,
      point: { vault: vaultId(vault), height: heightOf(height), index: logIndex(index) },
    };
  }
}

function tupleKeyOf(number: number): string {
  return `doc:${number}#viewer@user:a`;
}

function tupleOf(number: number): { resource: string; relation: string; subject: string } {
  return { resource: `doc:${number}`, relation: "viewer", subject: "user:a" };
}

function operationOf({ op, key, in: value, exp }: Write): LedgerOperation {
  const none: SetCondition = { kind: "none" };
  switch (op) {
    case "create":
      return { op: "create_tuple", tuple: tupleNamed(key), expiresAtMs: 0 };
    case "delete":
      return { op: "delete_tuple", tuple: tupleNamed(key) };
    case "del":
      return { op: "delete_entity", key, condition: none };
    case "put":
      return { op: "set_entity", key, value: utf8(value!), expiresAtMs: 0, condition: none };
    case "cas": {
      const condition: SetCondition =
        exp === null ? { kind: "must_not_exist" } : { kind: "value_equals", value: utf8(exp) };
      return { op: "set_entity", key, value: utf8(value!), expiresAtMs: 0, condition };
    }
  }
}

function tupleNamed(key: string): { resource: string; relation: string; subject: string } {
  return tupleOf(Number(/^doc:(\d+)#/.exec(key)![1]));
}

/** What an operation of an applied transaction did, as a history tells it. */
function outOf(
  op: WriteKind,
  outcome: Extract<TransactionOutcome, { kind: "applied" }>,
  i: number,
): boolean | null {
  const status = outcome.statuses[i]!;
  switch (op) {
    case "put":
      return null;
    case "cas":
      return true;
    case "create":
      return status === "created";
    case "del":
    case "delete":
      return status === "deleted";
  }
}
