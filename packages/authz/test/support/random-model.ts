/** Random models that make sense enough to compile: names exist, and "from" goes over plain objects. */
import fc from "fast-check";
import type {
  AuthorizationModel,
  RelationDefinition,
  Rewrite,
  TypeRestriction,
} from "../../src/model/model.js";

const TYPES = ["user", "group", "folder", "document"];
const RELATIONS = ["parent", "a", "b", "c", "d"];
const CONDITION = { parameters: { x: "int" }, expression: "x < 10" } as const;

const plain: fc.Arbitrary<TypeRestriction> = fc.constantFrom(...TYPES).map((type) => ({ type }));
const restriction: fc.Arbitrary<TypeRestriction> = fc.oneof(
  plain,
  plain.map(({ type }) => ({ type, wildcard: true as const })),
  plain.map(({ type }) => ({ type, condition: "small" })),
  fc.constantFrom(...RELATIONS).map((relation) => ({ type: "group", relation })),
);

const leaf: fc.Arbitrary<Rewrite> = fc.oneof(
  fc.constantFrom(...RELATIONS).map((relation) => ({ kind: "computed", relation }) as const),
  fc
    .constantFrom(...RELATIONS)
    .map((relation) => ({ kind: "tuple_to_userset", tupleset: "parent", relation }) as const),
);

const { tree } = fc.letrec<{ tree: Rewrite }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    leaf,
    fc
      .tuple(
        fc.constantFrom("union" as const, "intersection" as const),
        fc.array(tie("tree"), { minLength: 2, maxLength: 3 }),
      )
      .map(([kind, children]) => ({ kind, children })),
    fc
      .tuple(tie("tree"), tie("tree"))
      .map(([base, subtract]) => ({ kind: "exclusion", base, subtract }) as const),
  ),
}));

const direct: Rewrite = { kind: "direct" };
const unique = <T>(items: fc.Arbitrary<T>) =>
  fc.uniqueArray(items, { minLength: 1, maxLength: 3, selector: (item) => JSON.stringify(item) });

/** The grammar wants direct assignment first. */
const definition: fc.Arbitrary<RelationDefinition> = fc.oneof(
  unique(restriction).map((directTypes) => ({ rewrite: direct, directTypes })),
  fc.tuple(unique(restriction), tree).map(([directTypes, rest]) => ({
    rewrite: { kind: "union" as const, children: [direct, rest] },
    directTypes,
  })),
  fc.tuple(unique(restriction), tree).map(([directTypes, subtract]) => ({
    rewrite: { kind: "exclusion" as const, base: direct, subtract },
    directTypes,
  })),
  tree.map((rewrite) => ({ rewrite, directTypes: [] })),
);

export const models: fc.Arbitrary<AuthorizationModel> = fc
  .tuple(...TYPES.map(() => fc.tuple(unique(plain), ...RELATIONS.slice(1).map(() => definition))))
  .map((all) => ({
    schema: "1.1" as const,
    types: Object.fromEntries(
      TYPES.map((type, i) => {
        const [parents, ...definitions] = all[i]!;
        const parent = { rewrite: direct, directTypes: parents };
        const others = definitions.map((one, k) => [RELATIONS[k + 1]!, one] as const);
        return [type, { relations: { parent, ...Object.fromEntries(others) } }];
      }),
    ),
    conditions: { small: CONDITION },
  }));
