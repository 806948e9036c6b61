/** Models and tuples by chance: every kind of rewrite, usersets, wildcards, conditions, cycles, and tuples that the model refuses. */
import type { SeededRandom } from "@authledger/io";
import type {
  AuthorizationModel,
  ConditionContext,
  RelationDefinition,
  RelationTuple,
  Rewrite,
  TypeRestriction,
} from "../../src/index.js";

export interface RandomWorld {
  readonly model: AuthorizationModel;
  readonly tuples: readonly RelationTuple[];
  readonly context: ConditionContext;
  readonly objects: readonly string[];
  /** Of every kind. */
  readonly subjects: readonly string[];
}

const TYPES = ["group", "folder", "doc"] as const;
const NAMES = ["a", "b", "c", "d"] as const;
const IDS = ["1", "2", "3"] as const;
const USERS = ["user", "bot"].flatMap((type) => [...IDS, "*"].map((id) => `${type}:${id}`));

export function randomWorld(random: SeededRandom): RandomWorld {
  const names = Object.fromEntries(
    TYPES.map((type) => [type, NAMES.slice(0, random.between(1, NAMES.length + 1))]),
  ) as Record<string, readonly string[]>;
  const types: Record<string, { relations: Record<string, RelationDefinition> }> = {
    user: { relations: {} },
    bot: { relations: {} },
  };
  for (const type of TYPES) types[type] = { relations: relationsOf(random, names, type) };
  const condition = { parameters: { x: "int" }, expression: "x < 10" } as const;
  const model: AuthorizationModel = { schema: "1.1", types, conditions: { small: condition } };
  const objects = TYPES.flatMap((type) => IDS.map((id) => `${type}:${id}`));
  const usersets = objects.flatMap((object) =>
    names[object.split(":")[0]!]!.map((name) => `${object}#${name}`),
  );
  const subjects = [...USERS, ...usersets];
  const count = random.between(4, 30);
  const tuples = Array.from({ length: count }, () => randomTuple(random, model, objects));
  const byKey = new Map(tuples.map((t) => [`${t.object}#${t.relation}@${t.subject}`, t]));
  return {
    model,
    tuples: [...byKey.values()],
    context: random.chance(0.5) ? { x: random.chance(0.5) ? 1 : 99 } : {},
    objects,
    subjects,
  };
}

type Names = Readonly<Record<string, readonly string[]>>;

function relationsOf(random: SeededRandom, names: Names, type: string) {
  const relations: Record<string, RelationDefinition> = {
    parent: { rewrite: { kind: "direct" }, directTypes: parentTypes(random) },
  };
  for (const [i, name] of names[type]!.entries()) {
    // Computed relations name earlier ones: a relation that rests on itself without a tuple is no model.
    const earlier = names[type]!.slice(0, i);
    const rewrite = randomRewrite(random, { earlier, names, depth: 0 });
    const isDirect = JSON.stringify(rewrite).includes('"direct"');
    relations[name] = { rewrite, directTypes: isDirect ? directTypes(random, names) : [] };
  }
  return relations;
}

function parentTypes(random: SeededRandom): TypeRestriction[] {
  const types: TypeRestriction[] = TYPES.filter(() => random.chance(0.6)).map((type) => ({ type }));
  if (random.chance(0.2)) types.push({ type: "group", condition: "small" });
  return types.length === 0 ? [{ type: "folder" }] : types;
}

function directTypes(random: SeededRandom, names: Names): TypeRestriction[] {
  const types: TypeRestriction[] = [{ type: "user" }];
  if (random.chance(0.3)) types.push({ type: "user", wildcard: true });
  if (random.chance(0.2)) types.push({ type: "user", condition: "small" });
  if (random.chance(0.1)) types.push({ type: "user", wildcard: true, condition: "small" });
  if (random.chance(0.3)) types.push({ type: "bot" });
  for (const type of TYPES) {
    for (const relation of names[type]!) {
      if (random.chance(0.35)) types.push({ type, relation });
      if (random.chance(0.08)) types.push({ type, relation, condition: "small" });
    }
  }
  return random.chance(0.9) ? types : types.slice(1).concat({ type: "bot" });
}

function randomRewrite(
  random: SeededRandom,
  at: { readonly earlier: readonly string[]; readonly names: Names; readonly depth: number },
): Rewrite {
  const child = () => randomRewrite(random, { ...at, depth: at.depth + 1 });
  const kind = random.int(at.depth < 2 ? 10 : 5);
  if (kind < 2) return { kind: "direct" };
  if (kind === 2 && at.earlier.length > 0) {
    return { kind: "computed", relation: at.earlier[random.int(at.earlier.length)]! };
  }
  if (kind <= 4) {
    return random.chance(0.3)
      ? { kind: "direct" }
      : {
          kind: "tuple_to_userset",
          tupleset: "parent",
          relation: NAMES[random.int(NAMES.length)]!,
        };
  }
  if (kind <= 6) return { kind: "union", children: [child(), child()] };
  if (kind === 7) return { kind: "union", children: [{ kind: "direct" }, child(), child()] };
  if (kind === 8) return { kind: "intersection", children: [child(), child()] };
  return { kind: "exclusion", base: child(), subtract: child() };
}

/** Mostly one that the model allows. */
function randomTuple(
  random: SeededRandom,
  model: AuthorizationModel,
  objects: readonly string[],
): RelationTuple {
  const object = objects[random.int(objects.length)]!;
  const { relations } = model.types[object.split(":")[0]!]!;
  const names = Object.keys(relations).filter((name) => relations[name]!.directTypes.length > 0);
  const relation = names[random.int(names.length)]!;
  const { directTypes: allowed } = relations[random.chance(0.95) ? relation : "parent"]!;
  const restriction = allowed[random.int(allowed.length)]!;
  const id = restriction.wildcard ? "*" : IDS[random.int(IDS.length)]!;
  const plain = `${restriction.type}:${id}`;
  const subject = restriction.relation === undefined ? plain : `${plain}#${restriction.relation}`;
  if (restriction.condition === undefined) return { object, relation, subject };
  const x = random.int(3);
  const context: ConditionContext = x === 0 ? {} : { x: x === 1 ? 5 : 50 };
  return { object, relation, subject, condition: { name: restriction.condition, context } };
}
