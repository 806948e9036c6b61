/**
 * The active model of a state of a vault, compiled. A model is compiled once, whatever heights it is active at.
 *
 *   INV-ACTIVE-4  What is kept says nothing that can change: a compiled model is kept by the hash of its body, and which one
 *                 is active by the vault and its config_hash, which covers the record that says so.
 */
import { type CompiledModel, compileModel, decodeModelBody } from "@authledger/authz";
import type { StateView } from "@authledger/state";
import { equalBytes, type Hasher, LedgerError, toHex } from "@authledger/types";
import { ACTIVE_MODELS_KEPT_MAX, COMPILED_MODELS_MAX } from "../limits.js";
import { activeRecord, bodyOf } from "./model-records.js";

/** A model that decides. */
export interface DecidingModel {
  readonly version: number;
  /** SHA-256 of the body, in hex digits. */
  readonly hash: string;
  readonly compiled: CompiledModel;
}

interface Known {
  readonly configHash: Uint8Array;
  readonly model: DecidingModel | undefined;
}

export class ActiveModels {
  readonly #hasher: Hasher;
  /** By body hash, the one used longest ago first. */
  readonly #compiled = new Map<string, CompiledModel>();
  readonly #known = new Map<number, Known>();

  constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  /** How many models are kept compiled. */
  get size(): number {
    return this.#compiled.size;
  }

  /** Undefined where no model is active. */
  of(view: StateView): DecidingModel | undefined {
    const { configHash } = view;
    const known = this.#known.get(view.id);
    if (known !== undefined && configHash !== undefined && equalBytes(known.configHash, configHash))
      return known.model;
    const model = this.#read(view);
    if (configHash === undefined) return model;
    if (this.#known.size >= ACTIVE_MODELS_KEPT_MAX) this.#known.clear();
    this.#known.set(view.id, { configHash, model });
    return model;
  }

  /** @throws LedgerError NO_ACTIVE_MODEL */
  require(view: StateView): DecidingModel {
    const model = this.of(view);
    if (model !== undefined) return model;
    throw new LedgerError("NO_ACTIVE_MODEL", "no model of the vault is active");
  }

  /**
   * Compiles a body, or finds that this was done before.
   * @throws LedgerError MODEL_INVALID, CODEC_DECODE
   */
  compile(body: Uint8Array, hash: string = toHex(this.#hasher.sha256(body))): CompiledModel {
    const known = this.#compiled.get(hash);
    const compiled = known ?? compileModel(decodeModelBody(body).model);
    this.#compiled.delete(hash);
    this.#compiled.set(hash, compiled);
    if (this.#compiled.size > COMPILED_MODELS_MAX) {
      for (const oldest of this.#compiled.keys()) {
        this.#compiled.delete(oldest);
        break;
      }
    }
    return compiled;
  }

  #read(view: StateView): DecidingModel | undefined {
    const active = activeRecord(view);
    if (active === undefined || active.version === 0) return undefined;
    const { version, hash } = active;
    const known = this.#compiled.get(hash);
    return { version, hash, compiled: known ?? this.compile(bodyOf(view, version), hash) };
  }
}
