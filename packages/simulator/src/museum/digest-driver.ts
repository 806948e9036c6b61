/** Three replicas tell their digests; one is wrong, the leader as likely as any other (INV-REPLICA-10; museum row 34). */
import { type NodeId, nodeId } from "@authledger/types";
import { Violation } from "../core/violation.js";

interface DigestPoint {
  readonly index: number;
  readonly digest: Uint8Array;
}

/** The part of `DigestWatch` of the engine that is asked here; the engine's door does not show it. */
export interface DigestModule {
  readonly DigestWatch: new (
    self: NodeId,
    every: number,
    voters: () => readonly NodeId[],
  ) => {
    applied(index: number, digest: Uint8Array): { readonly wrong: readonly NodeId[] } | undefined;
    told(
      by: NodeId,
      points: readonly DigestPoint[],
    ): readonly { readonly wrong: readonly NodeId[] }[];
  };
}

const INDEX = 8;

/** The node of the number `seed` modulo 3 has another state than the others. @throws Violation */
export async function disagree(module: DigestModule, seed: number): Promise<void> {
  const nodes = [1n, 2n, 3n].map(nodeId);
  const odd = nodes[seed % nodes.length]!;
  const digestOf = (node: NodeId): Uint8Array => new Uint8Array(32).fill(node === odd ? 9 : 1);
  for (const self of nodes) {
    const watch = new module.DigestWatch(self, 1, () => nodes);
    const found = [watch.applied(INDEX, digestOf(self))];
    for (const other of nodes) {
      if (other === self) continue;
      found.push(...watch.told(other, [{ index: INDEX, digest: digestOf(other) }]));
    }
    const wrong = new Set(found.flatMap((verdict) => verdict?.wrong ?? []));
    if (wrong.size === 1 && wrong.has(odd)) continue;
    throw new Violation("INV-REPLICA-10: the majority decides whose state is wrong", {
      self: String(self),
      wrong: [...wrong].join(" "),
      odd: String(odd),
    });
  }
}
