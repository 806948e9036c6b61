/** SpiceDB's schema language: the same model as in OpenFGA's, or a refusal that says where and what to do. */
import { describe, expect, it } from "vitest";
import { parseOpenFga, parseSpiceDb, readModel, validateModel } from "../../src/language/index.js";

const SCHEMA = `/** People. */
definition user {}

definition group {
  relation member: user | group#member
}

caveat in_office(ip ipaddress, networks list<string>) {
  networks.exists(n, ip.in_cidr(n))
}

definition folder {
  relation parent: folder
  relation viewer: user | user:* | group#member with in_office
  permission view = viewer + parent->view // inherited
}

definition document {
  relation folder: folder
  relation editor: user
  relation banned: user
  permission edit = editor - banned
  permission view = edit + (folder->view & editor) + nil + folder.any(view)
}
`;
const SAME = `model
  schema 1.1

type user

type group
  relations
    define member: [user, group#member]

type folder
  relations
    define parent: [folder]
    define viewer: [user, user:*, group#member with in_office]
    define view: viewer or view from parent

type document
  relations
    define folder: [folder]
    define editor: [user]
    define banned: [user]
    define edit: editor but not banned
    define view: edit or (view from folder and editor) or view from folder

condition in_office(ip: ipaddress, networks: list<string>) {
  networks.exists(n, ip.in_cidr(n))
}
`;

describe("SpiceDB's schema language", () => {
  it("comes to the same model as OpenFGA's", () => {
    expect(parseSpiceDb(SCHEMA)).toEqual(parseOpenFga(SAME));
    expect(readModel("spicedb", [{ name: "", text: SCHEMA }])).toEqual(parseOpenFga(SAME));
  });

  const doc = (line: string) =>
    `definition user {}\ndefinition doc {\n  relation a: user\n  relation p: doc\n  ${line}\n}\n`;
  const refused: [string, string, string][] = [
    ["all of an arrow", doc("permission v = p.all(a)"), "5:20 `.all()` is not supported"],
    ["expiration", doc("relation e: user with expiration"), "5:15 `with expiration` is not part"],
    [
      "expiration beside a caveat",
      `${doc("relation e: user with c and expiration")}caveat c(x int) { x < 1 }`,
      "5:15 `with expiration` is not part",
    ],
    ["nil by itself", doc("permission v = nil"), "5:14 the permission `v` is nil"],
    [
      "nil through an intersection",
      doc("permission v = a & nil"),
      "5:14 the permission `v` is nil",
    ],
    ["names run together", doc("permission v = a+p"), "5:18 `a+p` reads as one name"],
    ["a name twice", doc("permission a = p->v"), "5:14 `a` is defined twice"],
    [
      "a relation that is not there",
      doc("permission v = b"),
      "5:18 the relation `b` does not exist",
    ],
    ["a type that is not there", doc("relation v: usr"), "5:15 `usr` is not a valid type"],
    [
      "an arrow over what is computed",
      doc("permission v = q->a\n  permission q = p"),
      "5:18 `q` relation used inside from",
    ],
    ["a circle", doc("permission v = w\n  permission w = v"), "5:14 `v` is an impossible relation"],
    ["partials", "partial x {\n}\ndefinition user {}\n", "1:1 `partial` is not supported"],
    ["features", "use expiration\ndefinition user {}\n", "1:5 the feature `expiration`"],
    [
      "parameters in bytes",
      "caveat c(x bytes) {\n  x == x\n}\n",
      "1:12 parameters of type `bytes`",
    ],
    [
      "caveats that do not type-check",
      `${doc("relation v: user with c")}caveat c(x int) {\n  x < "1"\n}\n`,
      "8:5 condition `c`",
    ],
    ["what does not parse", "definition user {\n  relation\n}\n", "3:1 "],
  ];
  it("refuses an expression that is too long for the stack", () => {
    const text = doc(`permission v = a${" + a".repeat(20_000)}`);
    expect(validateModel("spicedb", [{ name: "", text }])).toMatchObject([
      { message: "an expression is too long; split it into several permissions" },
    ]);
  });

  it.each(refused)("refuses %s, with place and reason", (_, text, expected) => {
    const found = validateModel("spicedb", [{ name: "", text }]);
    const shown = found.map(({ line, column, message }) => `${line}:${column} ${message}`);
    expect(shown[0]).toContain(expected);
  });
});
