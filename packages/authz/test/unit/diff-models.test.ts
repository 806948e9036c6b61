/** Changes from one model to the next, and which of them break somebody. */
import { describe, expect, it } from "vitest";
import { diffModels } from "../../src/index.js";
import { parseOpenFga } from "../../src/language/index.js";

const BEFORE = `model
  schema 1.1
type user
type team
type doc
  relations
    define owner: [user, team]
    define editor: [user] or owner
    define viewer: [user with small] or editor or owner
condition small(x: int) {
  x < 10
}
`;
const before = parseOpenFga(BEFORE);
const changes = (...replaced: readonly (readonly [string, string])[]) => {
  const text = replaced.reduce((all, [from, to]) => {
    expect(all).toContain(from);
    return all.replace(from, to);
  }, BEFORE);
  return diffModels(before, parseOpenFga(text)).map(
    ({ kind, what, subject, breaking }) => `${kind} ${what} ${subject}${breaking ? " !" : ""}`,
  );
};

describe("changes of a model", () => {
  it("are none where only the order of a union changes, or of types", () => {
    expect(changes(["or editor or owner", "or owner or editor"])).toEqual([]);
    expect(changes(["type user\ntype team\n", "type team\ntype user\n"])).toEqual([]);
  });

  it("are not breaking where something is added", () => {
    expect(
      changes(["type team\n", "type team\n  relations\n    define lead: [user]\ntype bot\n"]),
    ).toEqual(["added type bot", "added relation team#lead"]);
    expect(changes(["owner: [user, team]", "owner: [user, team, user:*]"])).toEqual([
      "added restriction doc#owner",
    ]);
  });

  it("are breaking where something is gone or means something else", () => {
    expect(changes(["type team\n", ""], ["[user, team]", "[user]"])).toEqual([
      "removed restriction doc#owner !",
      "removed type team !",
    ]);
    expect(changes(["    define editor: [user] or owner\n", ""], ["or editor or", "or"])).toEqual([
      "removed relation doc#editor !",
      "changed rewrite doc#viewer !",
    ]);
    expect(changes(["x < 10", "x < 11"])).toEqual(["changed condition small !"]);
    expect(changes(["x: int", "x: double"], ["x < 10", "x < 10.0"])).toEqual([
      "changed condition small !",
    ]);
    expect(
      changes(["[user with small]", "[user with tiny]"], ["condition small", "condition tiny"]),
    ).toEqual([
      "removed restriction doc#viewer !",
      "added restriction doc#viewer",
      "removed condition small !",
      "added condition tiny",
    ]);
  });
});
