/**
 * The graph of a model backwards, from subjects to relations, for lists of objects (authz.md, 7). Of an intersection
 * only the cheapest child is walked: whoever has the relation has that child. What an exclusion subtracts never gives
 * a relation.
 *
 * INV-MODEL-2  Whoever has a relation is met from the subject's side through these edges.
 */
import { BitSet } from "./bit-set.js";
import type { CompiledRelation, CompiledRewrite, ReverseEdge } from "./compiled-model.js";

/** The edges by where they start. */
export class ReverseEdges {
  readonly #byType = new Map<string, ReverseEdge[]>();
  readonly #byRelation: ReverseEdge[][];
  /** By id of a relation: all relations from which it can be met. Made when first asked for. */
  readonly #sources: (BitSet | undefined)[];
  readonly #inputs: CompiledRelation[][];

  constructor(relations: readonly CompiledRelation[]) {
    this.#byRelation = relations.map(() => []);
    this.#sources = relations.map(() => undefined);
    this.#inputs = relations.map(() => []);
    for (const relation of relations) this.#walk(relation, relation.rewrite, false);
  }

  fromType(type: string): readonly ReverseEdge[] {
    return this.#byType.get(type) ?? [];
  }

  fromRelation(relation: CompiledRelation): readonly ReverseEdge[] {
    return this.#byRelation[relation.id] ?? [];
  }

  leadsTo(from: CompiledRelation, to: CompiledRelation): boolean {
    this.#sources[to.id] ??= this.#sourcesOf(to);
    return this.#sources[to.id]!.has(from.id);
  }

  #walk(relation: CompiledRelation, rewrite: CompiledRewrite, isCandidate: boolean): void {
    switch (rewrite.kind) {
      case "direct":
        for (const type of new Set([...relation.plainTypes, ...relation.wildcardTypes])) {
          const edges = this.#byType.get(type) ?? [];
          this.#byType.set(type, edges);
          add(edges, { relation, kind: "direct", isCandidate });
        }
        for (const userset of relation.usersets.values()) {
          this.#addFrom(userset, { relation, kind: "direct", isCandidate });
        }
        break;
      case "computed":
        this.#addFrom(rewrite.relation, { relation, kind: "computed", isCandidate });
        break;
      case "tuple_to_userset":
        for (const parent of rewrite.parents.values()) {
          const { tupleset } = rewrite;
          this.#addFrom(parent, { relation, kind: "tuple_to_userset", tupleset, isCandidate });
        }
        break;
      case "union":
        for (const child of rewrite.children) this.#walk(relation, child, isCandidate);
        break;
      case "intersection":
        if (rewrite.children[0] !== undefined) this.#walk(relation, rewrite.children[0], true);
        break;
      case "exclusion":
        this.#walk(relation, rewrite.base, true);
        break;
    }
  }

  #addFrom(from: CompiledRelation, edge: ReverseEdge): void {
    add(this.#byRelation[from.id]!, edge);
    this.#inputs[edge.relation.id]!.push(from);
  }

  #sourcesOf(to: CompiledRelation): BitSet {
    const sources = new BitSet(this.#byRelation.length);
    const pending = [to];
    sources.add(to.id);
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const input of this.#inputs[next.id]!) {
        if (sources.has(input.id)) continue;
        sources.add(input.id);
        pending.push(input);
      }
    }
    return sources;
  }
}

/** The same way twice is one edge, and certain where one of the two is. */
function add(edges: ReverseEdge[], edge: ReverseEdge): void {
  const at = edges.findIndex(
    (other) =>
      other.relation === edge.relation &&
      other.kind === edge.kind &&
      other.tupleset === edge.tupleset,
  );
  if (at < 0) edges.push(edge);
  else if (edges[at]!.isCandidate && !edge.isCandidate) edges[at] = edge;
}
