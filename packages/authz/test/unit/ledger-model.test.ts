/** Models that are right in their language, and that a vault cannot hold. */
import { describe, expect, test } from "vitest";
import { readModel, validateLedgerModel } from "../../src/language/index.js";
import type { ModelFile, ModelLanguage } from "../../src/records.js";

const one = (text: string): ModelFile[] => [{ name: "", text }];
const model = (relation: string, type = "doc"): string =>
  `model\n  schema 1.1\ntype user\ntype ${type}\n  relations\n    define ${relation}: [user]\n`;

function wrong(language: ModelLanguage, files: readonly ModelFile[]) {
  expect(readModel(language, files).types).toBeDefined();
  return validateLedgerModel(language, files);
}

describe("INV-MODEL-9: names that no tuple can have are problems of a model", () => {
  test("in OpenFGA's language, with line and column", () => {
    expect(validateLedgerModel("openfga", one(model("can_view", "my-doc")))).toEqual([]);
    expect(wrong("openfga", one(model("can-view")))).toEqual([
      {
        kind: "invalid-name",
        message:
          'no tuple can have the relation `can-view` of `doc`: a relation is a letter and up to 62 more letters, digits or "_".',
        symbol: "can-view",
        ...{ line: 6, column: 12, endColumn: 20 },
      },
    ]);
    expect(wrong("openfga", one(model("can_view", "acme/doc")))).toMatchObject([
      {
        message: expect.stringContaining("the type `acme/doc`: a type is a letter"),
        ...{ line: 4, column: 6 },
      },
    ]);
    const long = "t".repeat(64);
    expect(wrong("openfga", one(model("r", long)))).toMatchObject([{ symbol: long }]);
  });

  test("in modules, with the file", () => {
    const files = [
      { name: "core.fga", text: "module core\ntype user\n" },
      {
        name: "docs.fga",
        text: "module docs\ntype doc\n  relations\n    define can-view: [user]\n",
      },
    ];
    expect(wrong("openfga", files)).toMatchObject([
      { symbol: "can-view", file: "docs.fga", ...{ line: 4, column: 12 } },
    ]);
  });

  test("in SpiceDB's language with their place, in JSON without", () => {
    const schema = "definition user {}\ndefinition acme/doc {\n  relation viewer: user\n}";
    expect(wrong("spicedb", one(schema))).toMatchObject([{ symbol: "acme/doc", line: 2 }]);
    const json = {
      schema_version: "1.1",
      type_definitions: [
        { type: "user" },
        {
          type: "doc",
          relations: { "a/b": { this: {} } },
          metadata: { relations: { "a/b": { directly_related_user_types: [{ type: "user" }] } } },
        },
      ],
    };
    const [problem] = wrong("openfga-json", one(JSON.stringify(json)));
    expect(problem).toMatchObject({ symbol: "a/b" });
    expect(problem?.line).toBeUndefined();
  });

  test("and what is wrong in the language is told first", () => {
    const text = model("can-view").replace("[user]", "[nobody]");
    const found = validateLedgerModel("openfga", one(text));
    expect(found).toMatchObject([{ kind: "invalid-type" }]);
  });
});
