import {
  limits,
  parseTuple,
  validateRelation,
  validateResource,
  validateSubject,
} from "@authledger/types";
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";

const TYPE_63 = "t".repeat(63);
const SNOWMAN = "\u2603"; // 3 bytes of UTF-8
const KEY_EMOJI = "\u{1f511}"; // 4 bytes, a surrogate pair

const goodIds = [
  ["letters", "alice"],
  ["digits", "42"],
  ["punctuation", "a.b-c_d+e/f=g@h!i,j;k~l"],
  ["an at sign in front", "@alice"],
  ["a star that is not in front", "a*"],
  ["percent-encoding", "a%3Ab"],
  ["two-byte characters", "\u00e9t\u00e9"],
  ["three-byte characters", SNOWMAN],
  ["a surrogate pair", KEY_EMOJI],
  ["a zero-width joiner, which is no white space", "a\u200db"],
  ["a byte order mark, which is an ordinary character", "\ufeffa"],
  ["quotes and a backslash", `"'\\`],
] as const;

const badIds = [
  ["nothing", "", "empty id"],
  ["a colon", "a:b", `":"`],
  ["a blank", "a b", "U+0020"],
  ["a tab", "a\tb", "U+0009"],
  ["a newline at the end", "a\n", "U+000A"],
  ["a NUL", "a\u0000", "U+0000"],
  ["DEL", "a\u007f", "U+007F"],
  ["a C1 control", "a\u0085", "U+0085"],
  ["a no-break space", "a\u00a0b", "U+00A0"],
  ["an ideographic space", "a\u3000b", "U+3000"],
  ["a line separator", "a\u2028", "U+2028"],
  ["a leading star", "*a", `"*"`],
  ["a high surrogate alone", "a\ud83d", "surrogate"],
  ["a high surrogate before a letter", "\ud83da", "surrogate"],
  ["a high surrogate before a private-use character", "\ud83d\ue000", "surrogate"],
  ["a low surrogate alone", "\udd11", "surrogate"],
] as const;

const badTypes = [
  ["no colon", "document", `no ":"`],
  ["nothing before the colon", ":a", "empty type"],
  ["a leading digit", "1doc:a", "start with a letter"],
  ["a leading underscore", "_doc:a", "start with a letter"],
  ["a dot", "do.c:a", "U+002E"],
  ["a slash", "do/c:a", "U+002F"],
  ["a blank", "do c:a", "U+0020"],
  ["a letter outside ASCII", "do\u00e9c:a", "U+00E9"],
  ["a look-alike letter", "d\u043ec:a", "U+043E"],
  ["64 characters", `${TYPE_63}t:a`, "longer than 63"],
] as const;

const goodTypes = ["d", "Document", "a1", "a_b-c", "Z", TYPE_63];

describe("resources are type:id (L-17)", () => {
  it.each(goodTypes)("take the type %s", (type) => {
    expect(() => validateResource(`${type}:x`)).not.toThrow();
  });

  it.each(goodIds)("take an id with %s", (_what, id) => {
    expect(() => validateResource(`document:${id}`)).not.toThrow();
  });

  it.each([
    ...badTypes,
    ...badIds.map(([what, id, why]) => [what, `document:${id}`, why] as const),
  ])("refuse %s", (_what, resource, why) => {
    const error = thrownBy(() => validateResource(resource));
    expect([error.code, error.details["field"]]).toEqual(["INVALID_TUPLE", "resource"]);
    expect(error.message).toContain(why);
  });

  it.each(["document:*", "document:a#viewer", "document:a#"])(
    "refuse %s, which only a subject may be",
    (resource) => {
      expect(thrownBy(() => validateResource(resource)).code).toBe("INVALID_TUPLE");
    },
  );
});

describe("relations are a letter and up to 62 letters, digits and underscores (L-17)", () => {
  it.each(["v", "viewer", "can_view", "Viewer2", "r".repeat(63)])("take %s", (relation) => {
    expect(() => validateRelation(relation)).not.toThrow();
  });

  it.each([
    ["nothing", "", "empty"],
    ["a leading digit", "1st", "start with a letter"],
    ["a leading underscore", "_x", "start with a letter"],
    ["a hyphen", "can-view", "U+002D"],
    ["a colon", "a:b", "U+003A"],
    ["a hash", "a#b", "U+0023"],
    ["a blank", "a b", "U+0020"],
    ["a letter outside ASCII", "vi\u00e9w", "U+00E9"],
    ["a surrogate", "a\ud83d", "U+D83D"],
  ])("refuse %s", (_what, relation, why) => {
    const error = thrownBy(() => validateRelation(relation));
    expect([error.code, error.details["field"]]).toEqual(["INVALID_TUPLE", "relation"]);
    expect(error.message).toContain(why);
  });

  it("refuse 64 characters as over the limit", () => {
    const error = thrownBy(() => validateRelation("r".repeat(64)));
    expect(error.code).toBe("LIMIT_EXCEEDED");
    expect(error.details).toEqual({ field: "relation", limit: 63, actual: 64 });
  });
});

describe("subjects are type:id, type:id#relation or type:* (L-17)", () => {
  it.each(goodTypes)("take the type %s in all three forms", (type) => {
    for (const rest of ["a", "a#member", "*"]) {
      expect(() => validateSubject(`${type}:${rest}`)).not.toThrow();
    }
  });

  it.each(goodIds)("take an id with %s, alone and in a userset", (_what, id) => {
    expect(() => validateSubject(`user:${id}`)).not.toThrow();
    expect(() => validateSubject(`group:${id}#member`)).not.toThrow();
  });

  it.each([
    ...badTypes,
    ...badIds.map(([what, id, why]) => [what, `user:${id}`, why] as const),
    ["an empty relation", "group:a#", "empty"],
    ["a userset of nothing", "group:#member", "empty id"],
    ["two relations", "group:a#b#c", "U+0023"],
    ["a malformed relation", "group:a#can-view", "U+002D"],
    ["a wildcard with a relation", "user:*#member", `"*"`],
    ["a doubled wildcard", "user:**", `"*"`],
  ] as const)("refuse %s", (_what, subject, why) => {
    const error = thrownBy(() => validateSubject(subject));
    expect(error.code).toBe("INVALID_TUPLE");
    expect(error.details["field"]).toMatch(/^subject( relation)?$/);
    expect(error.message).toContain(why);
  });
});

describe("limits count bytes of UTF-8, name the part and carry the figures (L-45, L-47)", () => {
  const parts = [
    ["resource", limits.RESOURCE_BYTES_MAX, validateResource],
    ["subject", limits.SUBJECT_BYTES_MAX, validateSubject],
  ] as const;
  const fillers = [
    ["ASCII", "x"],
    ["three-byte characters", SNOWMAN],
    ["surrogate pairs", KEY_EMOJI],
  ] as const;

  for (const [field, limit, validate] of parts) {
    it.each(fillers)(
      `a ${field} of ${limit} bytes in %s is taken, one more byte is not`,
      (_, filler) => {
        const room = limit - "doc:".length;
        const bytes = new TextEncoder().encode(filler).length;
        const exact = `doc:${filler.repeat(Math.floor(room / bytes))}${"y".repeat(room % bytes)}`;
        expect(() => validate(exact)).not.toThrow();
        const error = thrownBy(() => validate(`${exact}z`));
        expect(error.code).toBe("LIMIT_EXCEEDED");
        expect(error.details).toEqual({ field, limit, actual: limit + 1 });
        expect(error.message).toContain(`${field} is ${limit + 1} bytes; the limit is ${limit}`);
      },
    );
  }

  it("a userset counts with its relation", () => {
    const userset = `group:${"x".repeat(limits.SUBJECT_BYTES_MAX - "group:#m".length)}#m`;
    expect(() => validateSubject(userset)).not.toThrow();
    expect(thrownBy(() => validateSubject(`${userset}m`)).code).toBe("LIMIT_EXCEEDED");
  });

  it("a message shows only the start of a very long part", () => {
    const error = thrownBy(() => validateResource(`document:${"x".repeat(1_000_000)} `));
    expect(error.message.length).toBeLessThan(200);
  });
});

describe("parseTuple", () => {
  it.each([
    ["document:budget#viewer@user:alice", "document:budget", "viewer", "user:alice"],
    ["document:b#viewer@group:eng#member", "document:b", "viewer", "group:eng#member"],
    ["document:b#viewer@user:*", "document:b", "viewer", "user:*"],
    ["mail:a@b.example#reader@user:c@d.example", "mail:a@b.example", "reader", "user:c@d.example"],
  ])("reads %s", (text, resource, relation, subject) => {
    expect(parseTuple(text)).toEqual({ resource, relation, subject });
  });

  it.each([
    ["nothing", ""],
    ["no relation", "document:b@user:a"],
    ["no subject", "document:b#viewer"],
    ["an empty subject", "document:b#viewer@"],
    ["an empty relation", "document:b#@user:a"],
    ["an empty resource", "#viewer@user:a"],
    ["the parts in another order", "user:a@viewer#document:b"],
    ["white space around", " document:b#viewer@user:a"],
    ["a newline at the end", "document:b#viewer@user:a\n"],
  ])("refuses %s", (_what, text) => {
    expect(thrownBy(() => parseTuple(text)).code).toBe("INVALID_TUPLE");
  });
});
