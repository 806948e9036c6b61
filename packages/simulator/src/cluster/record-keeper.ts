/**
 * Keeps records in an organization of its own, beside the clients: values that it erases again, tuples that expire by themselves, an
 * organization that it suspends and resumes, in half of all runs in a vault that keeps few blocks. What it does has no history
 * that is judged; the stores of all replicas, which are compared at the end, must have it alike, whatever nodes led, died or
 * were sent a snapshot meanwhile.
 *
 *   INV-SIM-31  The proof of a write that was applied is one of that write; it is missing only where the vault does not keep
 *               the block any more.
 */
import type {
  EngineCall,
  EngineReply,
  EngineRequest,
  TransactionOutcome,
} from "@authledger/engine";
import { SeededRandom } from "@authledger/io";
import { type Operation, type TransactionRequest, utf8 } from "@authledger/types";
import { type Attempt, ClientCalls, type ClientWorld } from "./client-calls.js";
import { WALL_MS } from "./machine.js";
import { judgeInclusion } from "./proven-write.js";
import { Violation } from "./replica-check.js";
import type { Sometimes } from "./sometimes.js";

const ACTOR = "keeper";
const KEYS = 5;
const THINK_MS_MAX = 400;
const LIVES_MS_MAX = 4_000;
/** Blocks that its vault keeps, in half of all runs. */
const RETENTION_BLOCKS = 4;
/** Writes that it may ask for again. */
const REMEMBERED = 8;

export class RecordKeeper {
  readonly #world: ClientWorld;
  readonly #sometimes: Sometimes;
  readonly #calls: ClientCalls;
  readonly #random: SeededRandom;
  #count = 0;
  #isStopped = false;
  readonly #keepsFew: boolean;
  readonly #written: TransactionRequest[] = [];

  constructor(world: ClientWorld, sometimes: Sometimes) {
    this.#world = world;
    this.#sometimes = sometimes;
    this.#calls = new ClientCalls(world);
    this.#random = new SeededRandom((world.settings.seed ^ 0x6b656570) >>> 0);
    this.#keepsFew = this.#random.chance(0.5);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Works until it is stopped. */
  async work(): Promise<void> {
    const made = await this.#sure("create_organization", { name: "kept", actor: ACTOR });
    if (made === undefined) return;
    const organization = made.organization.slug;
    const named = await this.#sure("create_vault", { organization, name: "kept", actor: ACTOR });
    if (named === undefined) return;
    const vault = named.vault.slug;
    if (this.#keepsFew) {
      const retentionBlocks = RETENTION_BLOCKS;
      await this.#sure("update_vault", { organization, vault, retentionBlocks, actor: ACTOR });
    }
    const found = await this.#sure("resolve_vault", { organization, vault });
    while (found !== undefined && !this.#isStopped) {
      await this.#world.loop.sleep(this.#random.int(THINK_MS_MAX));
      const dice = this.#random.int(10);
      if (dice < 4) await this.#write(found.vault, this.#secret());
      else if (dice < 7) await this.#write(found.vault, this.#passing());
      else if (dice < 9) await this.#erase(found.vault);
      else await this.#suspend(organization);
    }
  }

  #secret(): Operation {
    const value = utf8(`secret ${this.#random.int(1_000)}`);
    return {
      op: "set_entity",
      key: this.#key(),
      value,
      expiresAtMs: 0,
      condition: { kind: "none" },
    };
  }

  #key(): string {
    return `kept:${this.#random.int(KEYS)}`;
  }

  /** A tuple that expires while the run lasts. */
  #passing(): Operation {
    const resource = `kept:${this.#random.int(KEYS)}`;
    const tuple = { resource, relation: "viewer", subject: "user:passing" };
    const expiresAtMs =
      WALL_MS + Math.ceil(this.#world.loop.now) + this.#random.int(LIVES_MS_MAX) + 1;
    return { op: "create_tuple", tuple, expiresAtMs };
  }

  async #write(vault: number, operation: Operation): Promise<void> {
    const again = this.#random.chance(0.15) && this.#written.length > 0;
    const transaction = again ? this.#random.pick(this.#written) : this.#new(operation);
    const prove = this.#random.chance(0.5);
    const asked = { vault, actor: ACTOR, prove, transactions: [transaction] };
    const attempt = await this.#once("write", asked);
    if (prove && attempt.kind === "answered") this.#judge(attempt.reply.outcomes[0]!, transaction);
  }

  /** What is remembered of a request goes with the value that it wrote. */
  #new(operation: Operation): TransactionRequest {
    const id = `kept ${this.#count++}`;
    const request = { operations: [operation], clientId: ACTOR, idempotencyKey: id, reason: id };
    this.#written.push(request);
    if (this.#written.length > REMEMBERED) this.#written.shift();
    return request;
  }

  /** INV-SIM-31 */
  #judge(outcome: TransactionOutcome, { reason }: TransactionRequest): void {
    if (outcome.kind !== "applied") return;
    const shown = judgeInclusion(outcome, reason);
    if (shown === undefined && this.#keepsFew) this.#sometimes.note("proof of a write not kept");
    else if (shown?.proof !== true) {
      const what = `the write "${reason}" at ${outcome.height} has ${shown ? "a wrong" : "no"} proof`;
      throw new Violation("INV-SIM-31", what);
    }
  }

  async #erase(vault: number): Promise<void> {
    const keepCurrent = this.#random.chance(0.3);
    const target = { key: this.#key() };
    const asked = { vault, target, keepCurrent, actor: ACTOR, reason: "" };
    const attempt = await this.#once("erase", asked);
    if (attempt.kind === "answered" && attempt.reply.erased > 0)
      this.#sometimes.note("values erased");
  }

  async #suspend(organization: bigint): Promise<void> {
    const asked = { organization, actor: ACTOR, reason: "" };
    await this.#once("suspend_organization", asked);
    await this.#world.loop.sleep(this.#random.int(THINK_MS_MAX));
    const resumed = await this.#sure("resume_organization", asked);
    if (resumed !== undefined) this.#sometimes.note("organization suspended and resumed");
  }

  #once<C extends EngineCall>(
    call: C,
    request: EngineRequest<C>,
  ): Promise<Attempt<EngineReply<C>>> {
    return this.#calls.attempt(this.#calls.leader, call, request);
  }

  #sure<C extends EngineCall>(
    call: C,
    request: EngineRequest<C>,
  ): Promise<EngineReply<C> | undefined> {
    return this.#calls.sure(call, request, () => this.#isStopped);
  }
}
