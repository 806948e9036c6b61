/**
 * Tells this node's caches that the system vault has moved and what that changed, so that what they keep of it is looked at
 * again. Records of the audit come with every call of administration: a cache that they do not concern keeps what it has.
 *
 *   INV-AUTHN-2  What was read of the system vault before its newest applied block is taken for good by no cache for
 *                longer than the engine's word takes to arrive: the next turn of the loop, and 250 ms after a failure,
 *                or after the end of failures: until then the vault cannot be read, and then it is taken for moved.
 *   INV-AUTHN-12  A move of which not every change is known is taken for a change of everything.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { EnginePort, EngineReply } from "@authledger/engine";
import { KEY_PREFIX } from "../authn/key-record.js";
import { Rounds } from "../watchdog/node-jobs.js";
import type { Job } from "../watchdog/watchdog.js";
import { SystemChange } from "./system-change.js";
import { SYSTEM_VAULT } from "./system-vault.js";

/** How long the engine is asked to wait; a quiet vault costs nothing meanwhile. */
const WAIT_MS = 30_000;
/** After a refusal, which is taken for a move, and whose end is one too. */
const FAILED_MS = 250;
/** More of one move are not looked at one by one. */
const CHANGES_MAX = 256;

export class SystemMoves {
  readonly #engine: EnginePort;
  readonly #listeners: ((change: SystemChange) => void)[] = [];
  readonly #stopped = new AbortController();
  readonly #rounds = new Rounds();
  #keyGeneration = 1;
  /** Blocks from here on were not looked at; undefined: nobody knows from where on. */
  #next: number | undefined;

  constructor(engine: EnginePort) {
    this.#engine = engine;
  }

  /** Larger after each change of API keys: what was read of one at this generation holds while it is the same. */
  get keyGeneration(): number {
    return this.#keyGeneration;
  }

  /** Called behind each move, at the first failure to hear of them, and when they are heard of again. */
  onMove(listener: (change: SystemChange) => void): void {
    this.#listeners.push(listener);
  }

  /** As a job of the node: what was revoked or granted is heard of by it. */
  get job(): Job {
    return this.#rounds.job("following the system vault", 2 * WAIT_MS);
  }

  start(): void {
    void this.#follow();
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopped;
    let after: number | undefined;
    let hasFailed = false;
    while (!signal.aborted) {
      const since = after === undefined ? {} : { after };
      const question = { ...since, vault: SYSTEM_VAULT, waitMs: WAIT_MS };
      try {
        const moved = await this.#rounds.run(() => this.#engine.call("wait_blocks", question));
        // The first answer only names the index from which on it is told of everything.
        const isFirst = after === undefined;
        after = moved.index;
        if (isFirst || !moved.isComplete) this.#next = undefined;
        else if (!moved.vaults.includes(SYSTEM_VAULT)) continue;
        const looked = this.#look();
        this.#tell(looked instanceof Promise ? await this.#rounds.run(() => looked) : looked);
        hasFailed = false;
      } catch {
        // No block says that the vault can be read again: it is asked for until it can, and what was missed is told then.
        after = undefined;
        this.#next = undefined;
        if (!hasFailed) this.#tell(SystemChange.anything);
        hasFailed = true;
        await sleep(FAILED_MS, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  /** What has changed since the last look; at once where the engine answers at once. */
  #look(): SystemChange | Promise<SystemChange> {
    const from = this.#next === undefined ? {} : { from: firstOf(this.#next) };
    const question = { ...from, vault: SYSTEM_VAULT, filter: {}, limit: CHANGES_MAX };
    const reply = this.#engine.ask("list_changes", question);
    return reply instanceof Promise
      ? reply.then((page) => this.#changed(page))
      : this.#changed(reply);
  }

  #changed({ changes, next, size }: EngineReply<"list_changes">): SystemChange {
    const isWhole = this.#next !== undefined && next.height >= size;
    this.#next = size;
    return isWhole ? new SystemChange(changes.map(({ target }) => target)) : SystemChange.anything;
  }

  #tell(change: SystemChange): void {
    if (this.#stopped.signal.aborted) return;
    if (change.isAboutEntities(KEY_PREFIX)) this.#keyGeneration++;
    for (const listener of this.#listeners) listener(change);
  }
}

function firstOf(height: number): { height: number; index: number; operation: number } {
  return { height, index: 0, operation: 0 };
}
