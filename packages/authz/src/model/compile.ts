/**
 * Makes a model ready for evaluation. It refuses what cannot be evaluated (names that are not there, conditions that
 * do not type-check, limits); what can be evaluated but makes no sense, such as a relation that nobody can ever have,
 * is for the rules of the languages (language/validate.ts), which deploying runs.
 *
 * The same model always compiles to the same form, in the same order: servers and clients that verify depend on it.
 */
import { compileCondition } from "../condition/compile-condition.js";
import type { CompiledCondition } from "../condition/context.js";
import type { BitSet } from "./bit-set.js";
import { Weights } from "./cheapest-first.js";
import { checkModelLimits } from "./check-limits.js";
import type {
  CompiledModel,
  CompiledRelation,
  CompiledRewrite,
  ReverseEdge,
} from "./compiled-model.js";
import type { AuthorizationModel, RelationDefinition, Rewrite, TypeRestriction } from "./model.js";
import { modelInvalid } from "./model-problem.js";
import { reachability, type SubjectKinds } from "./reach.js";
import { ReverseEdges } from "./reverse-edges.js";

/**
 * @example compileModel(parseOpenFga(text)).relation("document", "viewer")?.isReachableFrom("user")
 * @throws LedgerError MODEL_INVALID, LIMIT_EXCEEDED
 */
export function compileModel(model: AuthorizationModel): CompiledModel {
  checkModelLimits(model);
  return new Compiled(model);
}

class Compiled implements CompiledModel {
  readonly model: AuthorizationModel;
  readonly conditions: ReadonlyMap<string, CompiledCondition>;
  readonly relations: readonly CompiledRelation[];
  readonly #types = new Map<string, Map<string, Relation>>();
  readonly #edges: ReverseEdges;

  constructor(model: AuthorizationModel) {
    this.model = model;
    this.conditions = new Map(
      Object.entries(model.conditions).map(([name, condition]) => [
        name,
        compileCondition(name, condition),
      ]),
    );
    const relations = this.#declare();
    for (const relation of relations) this.#resolveRestrictions(relation);
    for (const relation of relations) {
      relation.rewrite = this.#resolve(relation, relation.definition.rewrite);
    }
    const weights = new Weights(relations);
    const sorted = relations.map((relation) => weights.sorted(relation.rewrite));
    for (const [i, relation] of relations.entries()) relation.rewrite = sorted[i]!;
    const kinds = subjectKinds(model, relations);
    for (const [i, set] of reachability(relations, kinds).entries()) {
      relations[i]!.setReach(set, kinds.byName);
    }
    this.relations = relations;
    this.#edges = new ReverseEdges(relations);
  }

  hasType(type: string): boolean {
    return this.#types.has(type);
  }

  relation(type: string, name: string): CompiledRelation | undefined {
    return this.#types.get(type)?.get(name);
  }

  relationsOf(type: string): readonly CompiledRelation[] {
    return [...(this.#types.get(type)?.values() ?? [])];
  }

  edgesFromType(type: string): readonly ReverseEdge[] {
    return this.#edges.fromType(type);
  }

  edgesFromRelation(relation: CompiledRelation): readonly ReverseEdge[] {
    return this.#edges.fromRelation(relation);
  }

  leadsTo(from: CompiledRelation, to: CompiledRelation): boolean {
    return this.#edges.leadsTo(from, to);
  }

  #declare(): Relation[] {
    const all: Relation[] = [];
    for (const [type, { relations }] of Object.entries(this.model.types)) {
      const own = new Map<string, Relation>();
      this.#types.set(type, own);
      for (const [name, definition] of Object.entries(relations)) {
        const relation = new Relation({ type, name, id: all.length, definition });
        own.set(name, relation);
        all.push(relation);
      }
    }
    return all;
  }

  #resolveRestrictions(relation: Relation): void {
    for (const restriction of relation.directTypes) {
      const { type, relation: userset, condition } = restriction;
      if (!this.#types.has(type)) {
        throw relation.refuse("invalid-type", `\`${type}\` is not a valid type.`, type);
      }
      if (condition !== undefined && !this.conditions.has(condition)) {
        const message = `\`${condition}\` is not a defined condition in the model.`;
        throw relation.refuse("condition-not-defined", message, condition);
      }
      const target = userset === undefined ? undefined : this.#types.get(type)?.get(userset);
      if (userset !== undefined && target === undefined) {
        const message = `\`${userset}\` is not a valid relation for \`${type}\`.`;
        throw relation.refuse("invalid-relation-type", message, userset);
      }
      relation.restrict(restriction, target);
    }
  }

  #resolve(relation: Relation, rewrite: Rewrite): CompiledRewrite {
    switch (rewrite.kind) {
      case "direct":
        return { kind: "direct", relation };
      case "computed":
        return { kind: "computed", relation: this.#ownRelation(relation, rewrite.relation) };
      case "tuple_to_userset": {
        const tupleset = this.#ownRelation(relation, rewrite.tupleset);
        const parents = this.#parents(tupleset, rewrite.relation);
        return { kind: "tuple_to_userset", tupleset, relation: rewrite.relation, parents };
      }
      case "union":
      case "intersection": {
        if (rewrite.children.length === 0) {
          throw relation.refuse("malformed", `the ${rewrite.kind} is of nothing`, relation.name);
        }
        const children = rewrite.children.map((child) => this.#resolve(relation, child));
        return { kind: rewrite.kind, children };
      }
      case "exclusion":
        return {
          kind: "exclusion",
          base: this.#resolve(relation, rewrite.base),
          subtract: this.#resolve(relation, rewrite.subtract),
        };
    }
  }

  #ownRelation(relation: Relation, name: string): Relation {
    const found = this.#types.get(relation.type)?.get(name);
    if (found !== undefined) return found;
    throw relation.refuse("missing-definition", `the relation \`${name}\` does not exist.`, name);
  }

  /** Parents are plain objects: usersets and wildcards of the tupleset name no object to go on from. */
  #parents(tupleset: Relation, name: string): ReadonlyMap<string, CompiledRelation> {
    const parents = new Map<string, CompiledRelation>();
    for (const type of tupleset.plainTypes) {
      const found = this.#types.get(type)?.get(name);
      if (found !== undefined) parents.set(type, found);
    }
    return parents;
  }
}

/** A relation while it is being compiled. */
class Relation implements CompiledRelation {
  readonly type: string;
  readonly name: string;
  readonly id: number;
  readonly definition: RelationDefinition;
  rewrite: CompiledRewrite;
  readonly plainTypes = new Set<string>();
  readonly wildcardTypes = new Set<string>();
  readonly usersets = new Map<string, CompiledRelation>();
  isConditional = false;
  /** Conditions by kind of subject, `user`, `user:*` or `group#member`; undefined: none may be there. */
  readonly #allowed = new Map<string, Set<string | undefined>>();
  #reached: BitSet | undefined;
  #kinds: ReadonlyMap<string, number> = new Map();

  constructor(about: Pick<Relation, "type" | "name" | "id" | "definition">) {
    this.type = about.type;
    this.name = about.name;
    this.id = about.id;
    this.definition = about.definition;
    this.rewrite = { kind: "direct", relation: this };
  }

  get directTypes(): readonly TypeRestriction[] {
    return this.definition.directTypes;
  }

  restrict(restriction: TypeRestriction, userset: CompiledRelation | undefined): void {
    const { type, relation, wildcard, condition } = restriction;
    let kind = type;
    if (userset !== undefined) {
      kind = `${type}#${relation}`;
      this.usersets.set(kind, userset);
    } else if (wildcard) {
      kind = `${type}:*`;
      this.wildcardTypes.add(type);
    } else {
      this.plainTypes.add(type);
    }
    const conditions = this.#allowed.get(kind) ?? new Set();
    this.#allowed.set(kind, conditions.add(condition));
    if (condition !== undefined) this.isConditional = true;
  }

  setReach(reached: BitSet, kinds: ReadonlyMap<string, number>): void {
    this.#reached = reached;
    this.#kinds = kinds;
  }

  isReachableFrom(subject: string): boolean {
    const kind = this.#kinds.get(subject);
    return kind !== undefined && this.#reached?.has(kind) === true;
  }

  allows(subject: string, condition: string | undefined): boolean {
    return this.#allowed.get(kindOf(subject))?.has(condition) === true;
  }

  refuse(kind: string, message: string, symbol: string): Error {
    return modelInvalid([{ kind, message: `${this.type}#${this.name}: ${message}`, symbol }]);
  }
}

/** `user:anne` is a `user`, `user:*` is that, `group:g#member` is a `group#member`. */
function kindOf(subject: string): string {
  const colon = subject.indexOf(":");
  if (colon < 0) return subject;
  if (subject.length === colon + 2 && subject.charCodeAt(colon + 1) === 0x2a) return subject;
  const hash = subject.indexOf("#", colon);
  const type = subject.slice(0, colon);
  return hash < 0 ? type : type + subject.slice(hash);
}

function subjectKinds(
  model: AuthorizationModel,
  relations: readonly CompiledRelation[],
): SubjectKinds & { readonly byName: ReadonlyMap<string, number> } {
  const types = Object.keys(model.types);
  const byName = new Map(types.map((type, i) => [type, i]));
  for (const { type, name, id } of relations) byName.set(`${type}#${name}`, types.length + id);
  return {
    size: types.length + relations.length,
    byName,
    ofType: (type) => byName.get(type)!,
    ofRelation: ({ id }) => types.length + id,
  };
}
