/**
 * The model that a proven state decides by: the ledger's record of the active model, the record of its body, and the body
 * itself, which is compiled once and kept by its hash.
 *
 *   INV-DECISION-5  The model of a decision is the one that the proven state names as active, by the SHA-256 of its body;
 *                   that there is none is proven like any absence.
 *
 * Source: commitment.md, kind 0x04; docs/format/model.md.
 */
import { askState, checkValue, ledgerRecordKey, type StoredRecord } from "@authledger/proof";
import { type Hasher, LedgerError, toHex } from "@authledger/types";
import { compileModel } from "../model/compile.js";
import type { CompiledModel } from "../model/compiled-model.js";
import {
  ACTIVE_MODEL_KEY,
  type ActiveModel,
  decodeActiveModel,
  decodeModelBody,
  type ModelRecordName,
  modelBodyKey,
} from "../records.js";
import type { ProvenView } from "./proven-reader.js";
import { refuse } from "./refuse.js";

/** Models that a client keeps compiled, by default: one vault has one active model at a time. */
const MODELS_MAX = 8;

/** What comes beside a proof about the model. */
export interface SentModel {
  /** nonce16 || value of the active model's record; empty where the proof shows that there is none. */
  readonly activeModel: Uint8Array;
  /** nonce16 || value of the body's record; empty where the verifier has the model. */
  readonly modelBody: Uint8Array;
}

export interface ProvenModel {
  /** From 1. */
  readonly version: number;
  /** SHA-256 of the body, 64 lower-case hex digits. */
  readonly hash: string;
  readonly compiled: CompiledModel;
}

/** Models by the SHA-256 of their bodies; the one that was used longest ago goes first. */
export class ModelCache {
  readonly #max: number;
  readonly #models = new Map<
    string,
    { readonly compiled: CompiledModel; readonly bytes: number }
  >();

  constructor(max: number = MODELS_MAX) {
    this.#max = max;
  }

  /** Hash of the model that was used last: what to tell a server that is asked for a proof. */
  get newest(): string | undefined {
    return [...this.#models.keys()].at(-1);
  }

  /** @param bytes length of the body */
  get(hash: string, bytes: number): CompiledModel | undefined {
    const kept = this.#models.get(hash);
    if (kept === undefined || kept.bytes !== bytes) return undefined;
    this.put(hash, bytes, kept.compiled);
    return kept.compiled;
  }

  put(hash: string, bytes: number, compiled: CompiledModel): void {
    this.#models.delete(hash);
    this.#models.set(hash, { compiled, bytes });
    for (const oldest of this.#models.keys()) {
      if (this.#models.size <= this.#max) return;
      this.#models.delete(oldest);
    }
  }
}

/**
 * The active model of a proven state; undefined where it is proven that there is none.
 * @throws LedgerError PROOF_INSUFFICIENT; PROOF_INVALID with reason "value" or "model"
 */
export function provenModel(
  view: ProvenView,
  sent: SentModel,
  models: ModelCache,
  hasher: Hasher,
): ProvenModel | undefined {
  const record = recordOf(view, ACTIVE_MODEL_KEY);
  if (record === undefined) return undefined;
  const active = readActive(checkValue(hasher, record, sent.activeModel));
  if (active.version === 0) return undefined;
  const bodyRecord = recordOf(view, modelBodyKey(active.version));
  if (bodyRecord === undefined) {
    throw refuse("model", `version ${active.version} is active, but its body is not there`);
  }
  const compiled = compiledOf(active, bodyRecord, sent.modelBody, models, hasher);
  return { version: active.version, hash: active.hash, compiled };
}

function compiledOf(
  { version, hash }: ActiveModel,
  record: StoredRecord,
  sentBody: Uint8Array,
  models: ModelCache,
  hasher: Hasher,
): CompiledModel {
  const bytes = record.value?.length ?? 0;
  const kept = models.get(hash, bytes);
  if (kept !== undefined) return kept;
  if (sentBody.length === 0) {
    const message = `the body of model version ${version} is not beside the proof`;
    throw new LedgerError("PROOF_INSUFFICIENT", message, { details: { reason: "model" } });
  }
  const body = checkValue(hasher, record, sentBody);
  if (toHex(hasher.sha256(body)) !== hash) {
    throw refuse("model", `the body of version ${version} is not the one that is active`);
  }
  const compiled = compile(version, body);
  models.put(hash, bytes, compiled);
  return compiled;
}

/** A ledger that commits to a text that is no model is refused like any other that lies. */
function compile(version: number, body: Uint8Array): CompiledModel {
  try {
    return compileModel(decodeModelBody(body).model);
  } catch (cause) {
    const { message } = LedgerError.from(cause);
    throw refuse("model", `version ${version} does not compile: ${message}`, cause);
  }
}

function readActive(value: Uint8Array): ActiveModel {
  try {
    return decodeActiveModel(value);
  } catch (cause) {
    throw refuse("model", LedgerError.from(cause).message, cause);
  }
}

function recordOf(
  { state, timeMs }: ProvenView,
  { partition, group, item }: ModelRecordName,
): StoredRecord | undefined {
  const key = ledgerRecordKey(partition, group, item);
  const answer = askState(state, { kind: "get", key }, timeMs);
  return answer.kind === "present" ? answer.record : undefined;
}
