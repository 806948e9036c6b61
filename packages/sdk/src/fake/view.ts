/** A vault as one request sees it: at a height, at a time, with or without a proof. */
import type { LedgerKey } from "@authledger/proof";
import type { common } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import type { VaultName } from "../options.js";
import type { Questions } from "./commitment.js";
import type { Values } from "./model-records.js";
import { numberOf } from "./requests.js";
import type { FakeState, OpenVault } from "./state.js";
import { decodeToken, encodeToken } from "./tokens.js";
import type { Found } from "./vault.js";

const STALE_RETRY_MS = 100;

export class View {
  readonly open: OpenVault;
  readonly height: number;
  /** What is past this time counts as expired. */
  readonly timeMs: number;
  readonly token: Uint8Array;
  readonly #prove: common.Prove | undefined;
  readonly #nowMs: number;

  constructor(
    state: FakeState,
    request: VaultName & {
      readonly consistency?: common.Consistency | undefined;
      readonly prove?: common.Prove | undefined;
    },
    moment?: { readonly height: number; readonly timeMs: number },
  ) {
    const { organization, vault, consistency, prove } = request;
    this.open = state.vault(request);
    this.#prove = checkedProve(prove);
    this.#nowMs = state.clock.nowMs();
    const newest = this.open.vault.size - 1;
    const height = heightOf(consistency, { organization, vault }, newest, state.index);
    this.height = moment?.height ?? height;
    const isPast = consistency?.requirement?.$case === "atHeight";
    this.timeMs = moment?.timeMs ?? this.#time(isPast);
    this.token = encodeToken({ organization, vault, height: this.height, index: state.index });
  }

  /** Of what the answer is. */
  get at(): { readonly height: bigint; readonly token: Uint8Array } {
    return { height: BigInt(this.height), token: this.token };
  }

  get(key: LedgerKey): Found | undefined {
    this.open.vault.requireKept(this.height);
    return this.open.vault.get(key, this.height);
  }

  records(wanted: (key: LedgerKey) => boolean): Found[] {
    this.open.vault.requireKept(this.height);
    return this.open.vault.records(this.height, wanted);
  }

  header(height: number): Uint8Array {
    return this.open.commitment.header(height);
  }

  /** Undefined where none was asked for. */
  proof(questions: Questions): common.Proof | undefined {
    if (this.#prove === undefined) return undefined;
    return this.open.commitment.proof(this.height, questions, this.#prove, this.#nowMs);
  }

  /** That a block is part of the history. */
  proofOfHeader(height: number, prove: common.Prove): common.Proof {
    const nothing = { gets: [], lists: [] };
    const { commitment } = this.open;
    const known = { ...prove, configHash: commitment.header(height).subarray(-32) };
    return commitment.proof(height, nothing, known, this.#nowMs);
  }

  /** The past is judged by the time of its block, a proven answer by that of its signature in whole seconds. */
  #time(isPast: boolean): number {
    const { timeMs } = this.open.vault.blocks[this.height]!;
    if (isPast) return timeMs;
    const now = this.#prove === undefined ? this.#nowMs : Math.floor(this.#nowMs / 1000) * 1000;
    return Math.max(timeMs, now);
  }
}

/** Values of a view by their keys. */
export function valuesOf(view: View): Values {
  return (key) => view.get(key)?.value;
}

/** An entity as it is stored; undefined where there is none. */
export function entityMessage(found: Found | undefined): common.Entity | undefined {
  if (found?.value === undefined) return undefined;
  const { partition, item } = found.key;
  const { version, expiresAtMs } = found.record;
  return { key: partition + item, ...found.value, version, expiresAtMs };
}

function heightOf(
  consistency: common.Consistency | undefined,
  name: VaultName,
  newest: number,
  index: number,
): number {
  const requirement = consistency?.requirement;
  if (requirement?.$case === "atHeight") {
    const height = numberOf(requirement.value, "consistency.at_height");
    if (height <= newest) return height;
    const message = `there is no block ${height} yet; the newest is ${newest}`;
    throw new LedgerError("HEIGHT_NOT_REACHED", message, { details: { height, newest } });
  }
  if (requirement?.$case === "atLeast") checkToken(requirement.value, name, newest, index);
  return newest;
}

function checkToken(bytes: Uint8Array, name: VaultName, newest: number, index: number): void {
  const point = decodeToken(bytes);
  if (point.organization !== name.organization || point.vault !== name.vault) {
    throw new LedgerError("TOKEN_OTHER_VAULT", "the consistency token is of another vault", {
      details: { field: "consistency.at_least" },
    });
  }
  if (point.height <= newest && point.index <= index) return;
  const message = `this node has applied ${index}, the token asks for ${point.index}`;
  throw new LedgerError("STALE_REPLICA", message, { retryAfterMs: STALE_RETRY_MS });
}

function checkedProve(prove: common.Prove | undefined): common.Prove | undefined {
  if (prove === undefined) return undefined;
  numberOf(prove.trustedSize, "prove.trusted_size");
  if (prove.configHash.length === 0 || prove.configHash.length === 32) return prove;
  throw new LedgerError("INVALID_ARGUMENT", "config_hash has 32 bytes or none", {
    details: { field: "prove.config_hash" },
  });
}
