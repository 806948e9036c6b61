/** Models as people write them: what is wrong, where, and in which words; and printing them again. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns } from "../../../../test/support.js";
import { compileModel } from "../../src/index.js";
import {
  formatOpenFga,
  parseModFile,
  parseOpenFga,
  readModel,
  validateModel,
} from "../../src/language/index.js";
import { findProblems } from "../../src/model/model-rules.js";
import { models } from "../support/random-model.js";

const validate = (text: string) =>
  validateModel("openfga", [{ name: "", text }]).map(
    ({ line, column, kind }) => `${line}:${column} ${kind}`,
  );

const model = (...lines: readonly string[]) =>
  ["model", "  schema 1.1", "type user", "type doc", "  relations", ...lines, ""].join("\n");

describe("what is wrong with a model", () => {
  const wrong: [string, string, string[]][] = [
    ["a word that the grammar does not have", model("    defin a: [user]"), ["6:5 syntax"]],
    ["a type that is not there", model("    define a: [usr]"), ["6:16 invalid-type"]],
    [
      "the same word elsewhere in the line, or on another line",
      model("    define usr: [user] # usr", "    define b: [user, usr]"),
      ["7:22 invalid-type"],
    ],
    [
      "a relation that is not there",
      model("    define a: [user] or b"),
      ["6:25 missing-definition"],
    ],
    [
      "nobody can have it",
      model("    define a: b", "    define b: a"),
      ["6:12 relation-no-entry-point", "7:12 relation-no-entry-point"],
    ],
    [
      "a circle through but not, which has no meaning",
      model("    define a: [user] but not b", "    define b: [user] but not a"),
      ["6:12 relation-no-entry-point", "7:12 relation-no-entry-point"],
    ],
    [
      "from over a userset",
      model("    define p: [doc#p, doc]", "    define a: a from p"),
      ["7:22 tupleuserset-not-direct"],
    ],
    [
      "a condition that is not there",
      model("    define a: [user with c]"),
      ["6:26 condition-not-defined"],
    ],
    [
      "a condition that does not type-check",
      `${model("    define a: [user with c]")}condition c(x: int) {\n  x == 1 &&\n    x < "1"\n}\n`,
      ["9:7 invalid-condition"],
    ],
    [
      "a condition that does not parse",
      `${model("    define a: [user with c]")}condition c(x: int) {\n  x == == 1\n}\n`,
      ["8:5 invalid-condition"],
    ],
    ["a schema that is not there", "model\n  schema 1.7\ntype user\n", ["2:10 invalid-schema"]],
  ];
  it.each(wrong)("%s", (_, text, places) => {
    expect(validate(text)).toEqual(places);
  });

  it("has its place behind thousands of comments, in which the grammar's time grew with their square", () => {
    const text = model("    define a: [user]", ...Array(5_000).fill("# no"), "    define b: [usr]");
    expect(validate(text)).toEqual(["5007:16 invalid-type"]);
    const wrong = model("    define a: [user]", ...Array(5_000).fill(""), "    defin b: [user]");
    expect(validate(wrong)).toEqual(["5007:5 syntax"]);
  });

  it("INV-MODEL-6 is reported once: what follows from it is not", () => {
    const text = model("    define a: [usr]", "    define b: a from c", "    define c: b");
    expect(validate(text)).toEqual(["6:16 invalid-type", "7:22 tupleuserset-not-direct"]);
  });

  it("names the file of a module", () => {
    const files = [
      { name: "fga.mod", text: 'schema: "1.2"\ncontents:\n  - core.fga\n  - wiki.fga\n' },
      { name: "core.fga", text: "module core\n\ntype user\n" },
      {
        name: "wiki.fga",
        text: "module wiki\n\nextend type user\n  relations\n    define a: [page]\n",
      },
    ];
    expect(validateModel("openfga", files)).toMatchObject([
      { file: "wiki.fga", line: 5, column: 16, kind: "invalid-type" },
    ]);
    expect(() => readModel("openfga", files.slice(0, 2))).toThrow(/names wiki.fga/);
    expect(() => readModel("openfga", [...files, { name: "x.fga", text: "" }])).toThrow(/x.fga is/);
    expect(() => parseModFile("schema: 1\ncontents: []\n")).toThrow(/fga.mod:1:9/);
  });

  it("refuses names that would be no keys", () => {
    const json = JSON.parse(
      '{"schema_version":"1.1","type_definitions":[{"type":"__proto__"}]}',
    ) as unknown;
    expect(validateModel("openfga-json", [{ name: "", text: JSON.stringify(json) }])).toMatchObject(
      [{ kind: "malformed" }],
    );
    expect(validateModel("openfga-json", [{ name: "", text: "{" }])).toMatchObject([
      { kind: "syntax" },
    ]);
  });
});

describe("INV-MODEL-7 printing", () => {
  it("reads back as the same model", () => {
    fc.assert(
      fc.property(models, (random) => {
        expect(parseOpenFga(formatOpenFga(random))).toEqual(random);
      }),
      propertyRuns("models round trip", 60),
    );
  });

  it("a model with findings prints too, and without findings it compiles", () => {
    fc.assert(
      fc.property(models, (random) => {
        formatOpenFga(random);
        if (findProblems(random).length === 0) compileModel(random);
      }),
      propertyRuns("models compile", 60),
    );
  });
});
