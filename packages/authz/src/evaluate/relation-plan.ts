/**
 * What the evaluator wants to know of each relation again and again, worked out once for a model: kept beside the model, by
 * relation id, so that it goes when the model goes.
 */
import type { CompiledModel, CompiledRelation, CompiledRewrite } from "../model/compiled-model.js";

/** Usersets of one type that may stand in a relation's tuples: found by one scan. */
export interface UsersetScan {
  readonly type: string;
  readonly targets: readonly CompiledRelation[];
}

export interface RelationPlan {
  /** Answered by point reads alone: nothing below it, so no cycle, and nothing that is worth remembering. */
  readonly isLeaf: boolean;
  readonly usersetScans: readonly UsersetScan[];
  /** Computed relations lead from it back to it, so that its evaluation has to find cycles there too. */
  readonly isCircular: boolean;
}

const plans = new WeakMap<CompiledModel, readonly RelationPlan[]>();

/** By relation id. */
export function plansOf(model: CompiledModel): readonly RelationPlan[] {
  const known = plans.get(model);
  if (known !== undefined) return known;
  const made = model.relations.map(planOf);
  plans.set(model, made);
  return made;
}

function planOf(relation: CompiledRelation): RelationPlan {
  const byType = new Map<string, CompiledRelation[]>();
  for (const target of relation.usersets.values()) {
    const targets = byType.get(target.type);
    if (targets === undefined) byType.set(target.type, [target]);
    else targets.push(target);
  }
  const usersetScans = [...byType].map(([type, targets]) => ({ type, targets }));
  return {
    isLeaf: relation.rewrite.kind === "direct" && usersetScans.length === 0,
    usersetScans,
    isCircular: isCircular(relation),
  };
}

function isCircular(relation: CompiledRelation): boolean {
  const seen = new Set<CompiledRelation>();
  const open = [...computedIn(relation.rewrite)];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === relation) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    open.push(...computedIn(next.rewrite));
  }
  return false;
}

function computedIn(rewrite: CompiledRewrite): readonly CompiledRelation[] {
  switch (rewrite.kind) {
    case "computed":
      return [rewrite.relation];
    case "union":
    case "intersection":
      return rewrite.children.flatMap(computedIn);
    case "exclusion":
      return [rewrite.base, rewrite.subtract].flatMap(computedIn);
    default:
      return [];
  }
}

/** The relation that a userset names, by the end of its text: nothing is cut out of it for that. */
export function targetOf({ targets }: UsersetScan, subject: string): CompiledRelation | undefined {
  for (const target of targets) {
    const at = subject.length - target.name.length - 1;
    if (subject.charCodeAt(at) !== 0x23 || !subject.endsWith(target.name)) continue;
    if (subject.startsWith(target.type) && subject.charCodeAt(target.type.length) === 0x3a) {
      return target;
    }
  }
  return undefined;
}
