/**
 * API keys: made, listed, revoked and recognized. They live in the system vault, so that every node knows them, and who made
 * or revoked one can be proven.
 *
 *   INV-AUTHN-4  The secret of a key is nowhere but in the answer of the call that made it.
 *   INV-AUTHN-5  A key that was revoked is refused by a node from the moment on at which the node has applied that.
 */
import { timingSafeEqual } from "node:crypto";
import type { StoredEntity } from "@authledger/engine";
import { LedgerError, limits, type Operation } from "@authledger/types";
import type { Principal } from "../gate/principal.js";
import type { SystemMoves } from "../system/system-moves.js";
import type { SystemConsistency, SystemVault } from "../system/system-vault.js";
import { type ApiKey, makeApiKey, parseApiKey, ROOT_KEY_ID } from "./api-key.js";
import {
  type CredentialSource,
  expired,
  unauthenticated,
  type Verified,
} from "./credential-source.js";
import {
  decodeKeyRecord,
  encodeKeyRecord,
  KEY_PREFIX,
  type KeyRecord,
  keyEntity,
} from "./key-record.js";

/** An expired key is told apart from one that never was for so long; then it is forgotten. */
const KEPT_EXPIRED_MS = 30 * 24 * 3_600_000;
/** Questions to the leader about keys that this node does not know yet. */
const ASKING_MAX = 16;
const ASK_MS = 2_000;
const NO_HASH = Buffer.alloc(32);

export interface KeyInfo {
  readonly id: string;
  readonly record: KeyRecord;
}

export interface KeyWrite {
  readonly actor: string;
  readonly reason?: string;
  readonly deadlineAtMs?: number | undefined;
}

export class ApiKeys implements CredentialSource {
  readonly #vault: SystemVault;
  readonly #moves: Pick<SystemMoves, "keyGeneration">;
  readonly #nowMs: () => number;
  #asking = 0;

  constructor(
    vault: SystemVault,
    moves: Pick<SystemMoves, "keyGeneration">,
    nowMs: () => number = Date.now,
  ) {
    this.#vault = vault;
    this.#moves = moves;
    this.#nowMs = nowMs;
  }

  get generation(): number {
    return this.#moves.keyGeneration;
  }

  async verify(text: string): Promise<Verified> {
    const key = parseApiKey(text);
    if (key === undefined) throw unauthenticated();
    if (key === "mistyped") {
      throw unauthenticated("the API key is not as it was shown: its checksum is wrong");
    }
    const record = (await this.#record(key, "local")) ?? (await this.#ask(key));
    if (record === undefined) throw unauthenticated();
    const expiresAtMs = record.expires_ms === 0 ? Number.POSITIVE_INFINITY : record.expires_ms;
    if (expiresAtMs <= this.#nowMs()) throw expired(expiresAtMs);
    return { principal: principalOf(record), expiresAtMs };
  }

  /** @param expiresAtMs since 1970; 0 = never */
  async create(
    about: { readonly name: string; readonly expiresAtMs: number },
    write: KeyWrite,
  ): Promise<KeyInfo & { readonly text: string }> {
    const key = makeApiKey();
    const { name, expiresAtMs } = about;
    const record: KeyRecord = {
      ...{ name, principal: `key:${key.id}`, kind: "key", sha256: key.hash.toString("hex") },
      ...{ created_ms: this.#nowMs(), expires_ms: expiresAtMs, creator: write.actor },
    };
    const keptUntilMs =
      expiresAtMs === 0 ? 0 : Math.min(expiresAtMs + KEPT_EXPIRED_MS, limits.EXPIRY_MS_MAX);
    await this.#vault.write([set(key.id, record, { kind: "must_not_exist" }, keptUntilMs)], write);
    return { id: key.id, record, text: key.text };
  }

  /** In the order of their ids. */
  async list(question: {
    readonly limit: number;
    readonly after?: Uint8Array;
    readonly deadlineAtMs?: number | undefined;
  }): Promise<{ readonly keys: readonly KeyInfo[]; readonly next?: Uint8Array }> {
    const { entities, next } = await this.#vault.list(KEY_PREFIX, {
      ...question,
      consistency: "linearizable",
    });
    const keys = entities.flatMap((entity) => infoOf(entity) ?? []);
    return next === undefined ? { keys } : { keys, next };
  }

  /**
   * The root credential leaves its record, without a hash: a cluster that had one never serves without credentials.
   * @throws LedgerError KEY_NOT_FOUND
   */
  async revoke(id: string, write: KeyWrite): Promise<void> {
    const condition = { kind: "must_exist" } as const;
    const operation: Operation =
      id === ROOT_KEY_ID
        ? set(id, { ...(await this.#rootRecord(write)), sha256: "" }, condition)
        : { op: "delete_entity", key: keyEntity(id), condition };
    try {
      await this.#vault.write([operation], write);
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== "PRECONDITION_FAILED") throw error;
      throw notFound(id);
    }
  }

  async #rootRecord({ deadlineAtMs }: KeyWrite): Promise<KeyRecord> {
    const question = { consistency: "linearizable", deadlineAtMs } as const;
    const entity = await this.#vault.read(keyEntity(ROOT_KEY_ID), question);
    const record = entity && decodeKeyRecord(entity.value);
    if (record !== undefined) return record;
    throw notFound(ROOT_KEY_ID);
  }

  /** Undefined unless there is such a key and this is its secret, which takes the same time to find out. */
  async #record(key: ApiKey, consistency: SystemConsistency): Promise<KeyRecord | undefined> {
    const deadlineAtMs = performance.now() + ASK_MS;
    const entity = await this.#vault.read(keyEntity(key.id), { consistency, deadlineAtMs });
    const record = entity && decodeKeyRecord(entity.value);
    const stored = record?.sha256 ? Buffer.from(record.sha256, "hex") : NO_HASH;
    return timingSafeEqual(stored, key.hash) ? record : undefined;
  }

  /** Perhaps the key was made a moment ago and this node has not heard of it: the leader knows. */
  async #ask(key: ApiKey): Promise<KeyRecord | undefined> {
    if (this.#asking >= ASKING_MAX) {
      const message = `${ASKING_MAX} keys that this node does not know are being asked about`;
      throw new LedgerError("OVERLOADED", message, { retryAfterMs: 100 });
    }
    this.#asking++;
    try {
      return await this.#record(key, "linearizable");
    } finally {
      this.#asking--;
    }
  }
}

function principalOf({ kind, principal }: KeyRecord): Principal {
  return { kind, name: principal };
}

function infoOf({ key, value }: StoredEntity): KeyInfo | undefined {
  const record = decodeKeyRecord(value);
  return record && { id: key.slice(KEY_PREFIX.length), record };
}

/** An entity of a key; @param expiresAtMs of the entity, 0 = never */
export function set(
  id: string,
  record: KeyRecord,
  condition: { readonly kind: "must_exist" | "must_not_exist" },
  expiresAtMs: number = 0,
): Operation {
  return {
    op: "set_entity",
    key: keyEntity(id),
    value: encodeKeyRecord(record),
    expiresAtMs,
    condition,
  };
}

function notFound(id: string): LedgerError {
  const message = `there is no API key ${id.slice(0, 40)}`;
  return new LedgerError("KEY_NOT_FOUND", message, { details: { key: id.slice(0, 40) } });
}
