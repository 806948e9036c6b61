/**
 * The policies of a vault as they lie with what is verified later: a receipt, a proof or a block is signed by the replicas of its
 * time, and a trust anchor of before names others (docs/format/commitment.md, "Policies beside a receipt").
 */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  decodePolicy,
  NONCE_BYTES,
  type PolicyReceipt,
  parseTrustAnchor,
  type TrustAnchor,
  verifyCheckpoint,
} from "@authledger/proof";
import { type CallOptions, type LedgerClient, mayNeedPolicy, nodeCrypto } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { saveDurably } from "../run/durable-file.js";
import {
  malformedPolicies,
  parsePolicies,
  policiesField,
  policyReceipt,
} from "../run/policy-list.js";

const FORMAT = 1;
/** A node that lacks the newest policy has it within the time that it is behind. */
const ASKED_MAX = 5;
const ASK_AGAIN_MS = 250;

/** A vault, and the signed head of what was proven of it. */
interface ProvenHead {
  readonly organization: string;
  readonly vault: string;
  readonly checkpoint: string;
}

/**
 * All policies behind the first one; none for most vaults. The node that is asked may be behind the one that proved: the list is
 * whole when a policy of it accepts the head, or where there is none, the first one does.
 * @throws LedgerError STALE_REPLICA when no node that was asked gives the policy of who has signed
 */
export async function policiesOf(
  client: LedgerClient,
  head: ProvenHead,
  call: CallOptions,
): Promise<readonly PolicyReceipt[]> {
  const text = await client.admin.getTrustAnchor(head, call);
  const anchor = parseTrustAnchor(nodeCrypto.hasher, text);
  for (let asked = 1; ; asked++) {
    const policies = await policiesNow(client, call);
    if (isWhole(policies, anchor, head)) return policies;
    if (asked === ASKED_MAX) {
      // The second policy is on its way, and the first one, under which heads are signed until then, is given by nobody any more.
      if (policies.length === 0 && anchor.policy.epoch === 2) return policies;
      const message = "the node that was asked does not know yet who has signed the proof";
      throw new LedgerError("STALE_REPLICA", message, { details: { policies: policies.length } });
    }
    await sleep(ASK_AGAIN_MS);
  }
}

function isWhole(
  policies: readonly PolicyReceipt[],
  { origin, policy: current }: TrustAnchor,
  { checkpoint }: ProvenHead,
): boolean {
  const { hasher } = nodeCrypto;
  const behind = policies.map(({ policyValue }) => {
    return decodePolicy(hasher, policyValue.subarray(NONCE_BYTES));
  });
  const known = behind.length === 0 && current.epoch === 1 ? [current] : behind;
  return known.some((policy) => {
    try {
      return verifyCheckpoint(checkpoint, origin, policy, nodeCrypto).size > 0n;
    } catch (error) {
      if (mayNeedPolicy(error)) return false;
      throw error;
    }
  });
}

async function policiesNow(client: LedgerClient, call: CallOptions): Promise<PolicyReceipt[]> {
  const bundles = await client.getPolicyBundles(call);
  return bundles.map(policyReceipt);
}

function policiesPath(receiptPath: string): string {
  return `${receiptPath}.policies`;
}

/** Writes them beside a receipt, where there are any; the paths that it wrote. */
export async function savePolicies(
  receiptPath: string,
  policies: readonly PolicyReceipt[],
): Promise<readonly string[]> {
  if (policies.length === 0) return [];
  const path = policiesPath(receiptPath);
  const fields = { format: FORMAT, ...policiesField(policies) };
  await saveDurably(path, `${JSON.stringify(fields, undefined, 2)}\n`);
  return [path];
}

/** Those beside a receipt. @throws LedgerError IO_READ_FAILED, PROOF_INVALID */
export async function policiesBeside(receiptPath: string): Promise<readonly PolicyReceipt[]> {
  const path = policiesPath(receiptPath);
  try {
    return parseFile(await readFile(path, "utf8"));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    if (cause instanceof LedgerError) throw cause;
    const message = `cannot read ${path}: ${(cause as Error).message}`;
    throw new LedgerError("IO_READ_FAILED", message, { details: { path }, cause });
  }
}

function parseFile(text: string): readonly PolicyReceipt[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    throw malformedPolicies();
  }
  const { format, policies } = Object(file) as Partial<Record<string, unknown>>;
  if (format !== FORMAT) throw malformedPolicies();
  return parsePolicies(policies);
}
