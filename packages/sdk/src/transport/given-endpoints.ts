/**
 * The nodes that a client is given by a source: asked before the first call, and again beside the calls of the program.
 * What a source cannot say leaves the nodes as they were.
 */
import { LedgerError } from "@authledger/types";
import { endpointsOf } from "../options.js";
import type { EndpointSource } from "../sources/endpoint-source.js";
import type { EndpointPool } from "./endpoint-pool.js";
import { Question } from "./question.js";

const REFRESH_MS_DEFAULT = 30_000;

export class GivenEndpoints {
  readonly #source: EndpointSource;
  readonly #pool: EndpointPool;
  readonly #nowMs: () => number;
  readonly #question: Question<void>;
  #askedAtMs = 0;

  constructor(source: EndpointSource, pool: EndpointPool, nowMs: () => number) {
    this.#source = source;
    this.#pool = pool;
    this.#nowMs = nowMs;
    this.#question = new Question(nowMs);
  }

  /** Undefined where nodes are known. @throws LedgerError UNAVAILABLE, INVALID_ARGUMENT (by rejection) */
  ready(): Promise<void> | undefined {
    const refreshMs = this.#source.refreshMs ?? REFRESH_MS_DEFAULT;
    const isKnown = this.#pool.givenCount > 0;
    if (isKnown && this.#nowMs() < this.#askedAtMs + refreshMs) return undefined;
    const asked = this.#question.ask((isNewest) => this.#ask(isNewest));
    if (!isKnown) return asked;
    asked.catch(() => undefined);
    return undefined;
  }

  async #ask(isNewest: () => boolean): Promise<void> {
    this.#askedAtMs = this.#nowMs();
    let addresses: readonly string[];
    try {
      addresses = await this.#source.addresses();
    } catch (cause) {
      if (cause instanceof LedgerError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new LedgerError("UNAVAILABLE", `the source of endpoints gave none: ${why}`, { cause });
    }
    if (isNewest() || this.#pool.givenCount === 0) this.#pool.give(endpointsOf(addresses));
  }
}
