/** Seals what the system itself writes, without a client: the first transaction of a vault, and renamed vaults. */
import type { Random } from "@authledger/io";
import {
  type CanonicalOp,
  commitToValue,
  encodeDescriptor,
  encodeLimits,
  encodePolicy,
  encodeTransaction,
  NONCE_BYTES,
  type Policy,
  type Predecessor,
  type ValueCommitment,
} from "@authledger/proof";
import type { NoncedValue, SealedTransaction } from "@authledger/state";
import { type Hasher, limits } from "@authledger/types";

const ID_BYTES = 16;

export class SystemSealer {
  readonly #hasher: Hasher;
  readonly #random: Random;

  constructor(hasher: Hasher, random: Random) {
    this.#hasher = hasher;
    this.#random = random;
  }

  /** The first transaction of a new vault. */
  genesis(origin: string, policy: Policy, timeMs: number): SealedTransaction {
    return this.#records(timeMs, {
      genesis: encodeDescriptor(origin),
      policy: encodePolicy(policy),
      limits: encodeLimits(limits.TRANSACTION_OPERATIONS_MAX),
    });
  }

  /** The first transaction of a restored vault, whose limits are among what was restored. */
  restoredGenesis(
    origin: string,
    predecessor: Predecessor,
    policy: Policy,
    timeMs: number,
  ): SealedTransaction {
    const genesis = encodeDescriptor(origin, predecessor);
    return this.#records(timeMs, { genesis, policy: encodePolicy(policy) });
  }

  /** The transaction that sets a vault's next policy. */
  policy(policy: Uint8Array, timeMs: number): SealedTransaction {
    return this.#records(timeMs, { policy });
  }

  entities(
    entities: readonly { readonly key: string; readonly value: Uint8Array }[],
    timeMs: number,
  ): SealedTransaction {
    const values: NoncedValue[] = [];
    const ops = entities.map(({ key, value }): CanonicalOp => {
      const condition = { kind: "none" } as const;
      return {
        op: "set_entity",
        key,
        expiresAtMs: 0,
        condition,
        value: this.#commit(value, values),
      };
    });
    return this.#sealed(ops, values, timeMs);
  }

  #records(timeMs: number, records: Readonly<Record<string, Uint8Array>>): SealedTransaction {
    const values: NoncedValue[] = [];
    const ops = Object.entries(records).map(([group, value]): CanonicalOp => {
      const commitment = this.#commit(value, values);
      return { op: "set_record", partition: "ledger", group, item: "", value: commitment };
    });
    return this.#sealed(ops, values, timeMs);
  }

  #sealed(
    ops: readonly CanonicalOp[],
    values: readonly NoncedValue[],
    timestampMs: number,
  ): SealedTransaction {
    const canonical = encodeTransaction({
      id: new Uint8Array(ID_BYTES),
      clientId: "",
      sequence: 0,
      actor: "system",
      reason: "",
      timestampMs,
      ops,
    });
    return { canonical, values };
  }

  #commit(value: Uint8Array, values: NoncedValue[]): ValueCommitment {
    const nonce = this.#random.bytes(NONCE_BYTES);
    values.push({ nonce, value });
    return commitToValue(this.#hasher, nonce, value);
  }
}
