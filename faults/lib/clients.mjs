// @ts-check
/**
 * Clients as applications are: each with the SDK and all endpoints, one call at a time, keys shared by all. What they ask
 * and are answered is recorded as docs/history-format.md says.
 */
import { randomUUID } from "node:crypto";
import {
  createClient,
  createTuple,
  deleteEntity,
  deleteTuple,
  setEntity,
} from "../../packages/sdk/dist/index.js";

const DEADLINE_MS = 3_000;
/** As a person would, after an error. */
const PAUSE_AFTER_ERROR_MS = 20;
/** Histories of one key that are much longer are dear to judge. */
const OPERATIONS_PER_KEY = 2_000;
/** Chances in 100 of each operation. */
const MIX = /** @type {const} */ ([
  ["check", 25],
  ["create", 15],
  ["delete", 10],
  ["get", 20],
  ["put", 15],
  ["cas", 10],
  ["del", 5],
]);

/**
 * @typedef {import("../../packages/sdk/dist/index.js").LedgerClient} LedgerClient
 * @typedef {import("../../packages/simulator/dist/history/recorder.js").HistoryRecorder} HistoryRecorder
 * @typedef {import("../../packages/simulator/dist/history/record.js").OperationKind} OperationKind
 * @typedef {{ readonly transactionId: Uint8Array, readonly height: bigint, readonly what: string }} Acknowledged
 */

export class Client {
  /** Writes that were acknowledged, for whoever looks for them in the history of the vault. @type {Acknowledged[]} */
  acknowledged = [];
  errors = new Map();
  #proc;
  #recorder;
  #random;
  /** @type {LedgerClient} */
  #ledger;
  #keys;
  #asked = 0;

  /**
   * @param {number} proc
   * @param {{ endpoints: readonly string[], tenant: import("../../packages/sdk/dist/index.js").Tenant }} where
   * @param {HistoryRecorder} recorder
   * @param {(below: number) => number} random
   * @param {number} keys
   */
  constructor(proc, { endpoints, tenant }, recorder, random, keys) {
    this.#proc = proc;
    this.#recorder = recorder;
    this.#random = random;
    this.#keys = keys;
    this.#ledger = createClient({
      ...{ endpoints, tenant, deadlineMs: DEADLINE_MS, coalesce: false },
      ...{ attemptsMax: 1_000, clientId: `proc-${proc}` },
    });
  }

  /** Works until it is told to stop. @param {AbortSignal} signal */
  async work(signal) {
    while (!signal.aborted) await this.#once();
    this.#ledger.close();
  }

  async #once() {
    const kind = this.#kind();
    const isTuple = kind === "check" || kind === "create" || kind === "delete";
    const round = Math.floor(this.#asked++ / OPERATIONS_PER_KEY);
    const number = this.#random(this.#keys);
    const key = isTuple ? `doc:${round}-${number}#viewer@user:a` : `e:${round}-${number}`;
    const value = `${this.#proc}-${this.#asked}`;
    const expected = this.#random(2) === 0 ? null : (this.#seen.get(key) ?? null);
    const isWriting = kind === "put" || kind === "cas";
    const answered = this.#recorder.ask({
      ...{ proc: this.#proc, op: kind, key },
      ...{ in: isWriting ? value : null, exp: kind === "cas" ? expected : null },
    });
    try {
      answered({ ok: true, out: await this.#call(kind, key, value, expected) });
    } catch (error) {
      const code = /** @type {{ code?: string }} */ (error).code ?? String(error);
      if (code === "PRECONDITION_FAILED" && kind === "cas") answered({ ok: true, out: false });
      else {
        this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
        await new Promise((done) => setTimeout(done, PAUSE_AFTER_ERROR_MS));
      }
    }
  }

  /** Values last seen, so that some comparisons match. @type {Map<string, string | null>} */
  #seen = new Map();

  /** @param {OperationKind} kind @param {string} key @param {string} value @param {string | null} expected */
  async #call(kind, key, value, expected) {
    switch (kind) {
      case "check":
        return (await this.#ledger.hasTuple(key)).stored;
      case "get": {
        const { entity } = await this.#ledger.read(key);
        const found = entity === undefined ? null : new TextDecoder().decode(entity.value);
        this.#seen.set(key, found);
        return found;
      }
      case "create":
        return (await this.#write(kind, createTuple(key))) === "created";
      case "delete":
        return (await this.#write(kind, deleteTuple(key))) === "deleted";
      case "del":
        return (await this.#write(kind, deleteEntity(key))) === "deleted";
      case "put":
        await this.#write(kind, setEntity(key, value));
        this.#seen.set(key, value);
        return null;
      case "cas": {
        const condition =
          expected === null
            ? /** @type {const} */ ({ kind: "must_not_exist" })
            : /** @type {const} */ ({
                kind: "value_equals",
                value: new TextEncoder().encode(expected),
              });
        await this.#write(kind, setEntity(key, value, { condition }));
        this.#seen.set(key, value);
        return true;
      }
    }
  }

  /** @param {string} what @param {import("../../packages/sdk/dist/index.js").WriteOperation} operation */
  async #write(what, operation) {
    const transaction = { operations: [operation], idempotencyKey: randomUUID() };
    const { statuses, transactionId, height } = await this.#ledger.write(transaction);
    this.acknowledged.push({ transactionId, height, what });
    return statuses[0];
  }

  /** @returns {OperationKind} */
  #kind() {
    let at = this.#random(100);
    for (const [kind, weight] of MIX) {
      if (at < weight) return kind;
      at -= weight;
    }
    return "check";
  }
}
