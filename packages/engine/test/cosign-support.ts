/** What the tests of cosigned heads ask of replicas. */
import { type Policy, verifyCheckpoint } from "@authledger/proof";
import {
  type CosignAnswer,
  decodeCosignReply,
  encodeCosignRequest,
  type HeadToSign,
} from "../src/cluster/cosign-frames.js";
import type { SignedHead } from "../src/signer.js";
import { clientDeps } from "./engine-support.js";
import { type Replica, type Replicas, VAULT } from "./heads-support.js";

export const ORIGIN = `ledger.test/1/${VAULT}`;
export const SIZE = 5;

/** What a client reads of a head: its size, the time of its quorum, and who has cosigned. */
export function read(
  { note }: SignedHead,
  policy: Policy,
): { size: number; timeS: number; signers: string[] } {
  const { size, times, cosigned } = verifyCheckpoint(note, ORIGIN, policy, clientDeps);
  const signers = cosigned.map(({ name }) => name).sort();
  return { size: Number(size), timeS: Number(times[policy.quorum - 1]), signers };
}

/** What a replica answers when another asks for its signature. */
export async function answerOf(
  replicas: Replicas,
  asked: Replica,
  head: Partial<HeadToSign> = {},
): Promise<CosignAnswer["result"] | undefined> {
  const asker = replicas.nodes.find((node) => node !== asked)!;
  let answer: CosignAnswer | undefined;
  replicas.meddle = (from, payload) => {
    if (from !== asked.id) return payload;
    const reply = decodeCosignReply(payload);
    if (reply.type === "answers") [answer] = reply.answers;
    return undefined;
  };
  const vault = asked.vault!;
  const size = head.size ?? vault.size;
  const root = asked.signer.marks.rootAt(vault.open, Math.min(size, vault.size));
  const timeMs = replicas.time.wallMs;
  const payload = encodeCosignRequest({
    type: "sign",
    heads: [{ vault: VAULT, size, root, timeMs, ...head }],
  });
  asked.exchange.onFrame(asker.id, "cosignRequest", payload);
  await replicas.settle();
  replicas.meddle = (_, unchanged) => unchanged;
  return answer?.result;
}
