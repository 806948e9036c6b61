/**
 * Bundles: what takes a client from one policy epoch to the next (commitment.md, "Signing rules", 6). Made once, under a
 * head that satisfies the policy before, and kept for ever; the proofs between a client's head and the bundle's are
 * made when it is asked for (docs/format/cosign.md).
 *
 *     u8 version = 1 || lp32 policy value || lp32 header || lp32 state proof || lp32 checkpoint
 */
import {
  consistencyProof,
  decodeHeader,
  encodeStateProof,
  inclusionProof,
  Kind,
  ledgerRecordKey,
} from "@authledger/proof";
import { type GroupState, newestPolicyRow, type OpenVault, policyBundle } from "@authledger/state";
import {
  ByteReader,
  ByteWriter,
  decodeUtf8,
  type Hasher,
  LedgerError,
  utf8,
} from "@authledger/types";
import type { PolicyBundleReply } from "../port.js";

const VERSION = 1;
/** Bundles of one answer; a client that was away for longer asks again. */
const POLICY_BUNDLES_MAX = 16;
const FIRST_EPOCH = 1;

/** What of a bundle is kept. */
export interface KeptBundle {
  /** The policy as it is stored: nonce16 || text. */
  readonly policyValue: Uint8Array;
  readonly header: Uint8Array;
  /** Shows the policy record and the whole configuration in the state of that header. */
  readonly stateProof: Uint8Array;
  readonly checkpoint: string;
}

export function encodeBundle({
  policyValue,
  header,
  stateProof,
  checkpoint,
}: KeptBundle): Uint8Array {
  const out = new ByteWriter(4_096).u8(VERSION).lp32(policyValue).lp32(header).lp32(stateProof);
  return out.lp32(utf8(checkpoint)).finish();
}

/** @throws LedgerError CODEC_DECODE */
function decodeBundle(bytes: Uint8Array): KeptBundle {
  const from = new ByteReader(bytes, "policy bundle");
  const version = from.u8("version");
  if (version !== VERSION) throw from.error("version", 0, `is ${version}, not ${VERSION}`);
  const policyValue = from.lp32("policy value");
  const header = from.lp32("header");
  const stateProof = from.lp32("state proof");
  const at = from.offset;
  const checkpoint = decodeUtf8(from.lp32("checkpoint"));
  if (checkpoint === undefined) throw from.error("checkpoint", at, "is not UTF-8");
  from.end();
  return { policyValue, header, stateProof, checkpoint };
}

/** Shows the policy and the configuration in the vault's newest state. */
export function policyStateProof(vault: OpenVault): Uint8Array {
  return encodeStateProof(vault.trie, vault.paths, {
    gets: [ledgerRecordKey("ledger", "policy")],
    lists: [{ kind: Kind.ledgerRecord, partition: "ledger" }],
  });
}

/**
 * The bundles of a vault behind an epoch, in order, each proven consistent with the head that the client has by then.
 * @throws LedgerError STALE_REPLICA when the client has seen more than this node
 */
export function policyBundlesAfter(
  { state, hasher }: { readonly state: GroupState; readonly hasher: Hasher },
  vault: OpenVault,
  { epoch, trustedSize }: { readonly epoch: number; readonly trustedSize: number },
): { readonly bundles: readonly PolicyBundleReply[]; readonly newestEpoch: number } {
  const newest = newestPolicyRow(state.tables, vault.id);
  const newestEpoch =
    newest === undefined ? FIRST_EPOCH : newest.epoch - (newest.before === undefined ? 0 : 1);
  if (trustedSize > vault.size) throw stale(vault, trustedSize);
  const bundles: PolicyBundleReply[] = [];
  let trusted = trustedSize;
  for (let next = epoch + 1; next <= newestEpoch; next++) {
    const kept = policyBundle(state.tables, vault.id, next);
    if (kept === undefined || bundles.length === POLICY_BUNDLES_MAX) break;
    const bundle = decodeBundle(kept);
    const { height } = decodeHeader(bundle.header);
    const size = height + 1;
    const [older, newer] = trusted < size ? [trusted, size] : [size, trusted];
    bundles.push({
      ...bundle,
      epoch: next,
      historyProof: inclusionProof(hasher, vault.historyNode, height, size),
      consistencyProof:
        older === 0 ? [] : consistencyProof(hasher, vault.historyNode, older, newer),
    });
    trusted = newer;
  }
  return { bundles, newestEpoch };
}

function stale({ size }: OpenVault, trustedSize: number): LedgerError {
  const message = `this node has ${size} blocks of the vault, the trusted head covers ${trustedSize}`;
  return new LedgerError("STALE_REPLICA", message, { retryAfterMs: 100 });
}
