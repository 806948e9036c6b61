// @ts-check
/** Models in every language that people write them in, conditions, and conditions of tuples. */
import { product, same, utf8 } from "../lib/product.mjs";
import { accepts, must } from "../lib/refusal.mjs";

const authz = await product("authz");
const language = await product("authz", "language/index.js");
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @param {(text: string) => unknown} run */
const onText = (run) => (/** @type {Uint8Array} */ input) => {
  let text;
  try {
    text = decoder.decode(input);
  } catch {
    return false;
  }
  return accepts(() => run(text));
};

const OPENFGA = `model
  schema 1.1
type user
type group
  relations
    define member: [user, user:*, group#member]
type document
  relations
    define parent: [document]
    define blocked: [user]
    define viewer: ([user with small] or viewer from parent) but not blocked
condition small(x: int, l: list<string>) {
  x < 10 && l.exists(e, e == "a")
}
`;
const SPICEDB = `definition user {}
caveat small(x int) { x < 10 }
definition document {
  relation parent: document
  relation viewer: user | user:* | document#view with small
  permission view = (viewer + parent->view) - viewer & nil
}
`;
const VALUES = [
  null,
  true,
  3,
  -1.5,
  "3",
  "10.0.0.1",
  "1h",
  "2024-02-29T12:00:00Z",
  ["a"],
  { a: 1 },
];
const TYPES = [
  "any",
  "bool",
  "string",
  "int",
  "uint",
  "double",
  "duration",
  "timestamp",
  "ipaddress",
];

/** @param {string} text @param {string} lang */
function readAndPrint(text, lang) {
  const model = language.readModel(lang, [{ name: "", text }]);
  const compiled = authz.compileModel(model);
  for (const relation of compiled.relations) relation.allows("user:a", undefined);
  must(authz.diffModels(model, model).length === 0, "a model is what it is");
  language.generateTypes(model);
  const printed = language.formatOpenFga(model);
  const again = language.parseOpenFga(printed);
  must(authz.diffModels(model, again).length === 0, "what is printed is the same model");
}

/** @type {readonly import("./index.mjs").Target[]} */
export const modelTargets = [
  {
    name: "model-openfga",
    maxBytes: 1_500,
    seeds: () => [utf8(OPENFGA)],
    words: ["define ", " or ", " and ", " but not ", " from ", "(", ")", "[", "]", "\n    "].map(
      utf8,
    ),
    run: onText((text) => readAndPrint(text, "openfga")),
  },
  {
    name: "model-json",
    maxBytes: 4_096,
    seeds: () => [
      utf8(
        JSON.stringify({
          schema_version: "1.1",
          type_definitions: [
            { type: "user" },
            {
              type: "doc",
              relations: {
                a: { union: { child: [{ this: {} }, { computedUserset: { relation: "b" } }] } },
                b: { this: {} },
              },
              metadata: {
                relations: {
                  a: { directly_related_user_types: [{ type: "user", wildcard: {} }] },
                  b: { directly_related_user_types: [{ type: "doc", relation: "a" }] },
                },
              },
            },
          ],
          conditions: {},
        }),
      ),
    ],
    run: onText((text) => readAndPrint(text, "openfga-json")),
  },
  {
    name: "model-spicedb",
    maxBytes: 1_500,
    seeds: () => [utf8(SPICEDB)],
    words: ["permission ", "relation ", " + ", " & ", " - ", "->", "nil", "with "].map(utf8),
    run: onText((text) => readAndPrint(text, "spicedb")),
  },
  {
    name: "condition",
    maxBytes: 600,
    seeds: () =>
      [
        'x == "a" || x.size() > 3',
        "x.exists(a, x.all(b, a == b)) ? true : x[0] in [1, 2u, 3.0]",
        'timestamp("2024-02-29T12:00:00Z") + duration("1h") > x',
        'x.in_cidr("10.0.0.0/8") && x.matches("^1+")',
      ].map(utf8),
    words: [".map(a, ", ".exists(a, ", " + ", "[", "{", "x", " == ", "int(", "dyn("].map(utf8),
    run: onText((expression) => {
      let compiled = 0;
      for (const type of [...TYPES, { list: "any" }, { map: "string" }]) {
        const definition = { parameters: { x: type }, expression };
        accepts(() => {
          const condition = authz.compileCondition("c", definition);
          compiled++;
          for (const x of VALUES) {
            const first = condition.evaluate({ x }, {});
            const second = condition.evaluate({}, { x });
            must(
              same(utf8(JSON.stringify(first))) === same(utf8(JSON.stringify(second))),
              "an outcome is a function",
            );
          }
        });
      }
      if (compiled === 0) authz.compileCondition("c", { parameters: { x: "any" }, expression });
    }),
  },
  {
    name: "tuple-condition",
    maxBytes: 1_024,
    seeds: () => [
      authz.encodeTupleCondition({ name: "small", context: { x: 1, l: ["a", null, { b: 1e21 }] } }),
      authz.encodeTupleCondition({ name: "c", context: {} }),
    ],
    words: ['"', "{", "}", "1e999", "\\ud800", "__proto__"].map(utf8),
    run: (input) =>
      accepts(() => {
        const condition = authz.decodeTupleCondition(input);
        const again = authz.encodeTupleCondition(condition);
        must(same(again) === same(input), "a condition has one encoding");
      }),
  },
];
