/** Conditions: parameters by type, what is missing, limits, and independence from clock and time zone. */
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { compileCondition } from "../../src/condition/compile-condition.js";
import type { JsonValue } from "../../src/condition/context.js";
import type { ParameterType } from "../../src/model/model.js";

function evaluate(
  expression: string,
  parameters: Readonly<Record<string, ParameterType>>,
  request: Record<string, JsonValue> = {},
  tuple: Record<string, JsonValue> = {},
) {
  return compileCondition("c", { expression, parameters }).evaluate(request, tuple);
}

/** What `x` comes to: true, false, or why not. */
function holds(expression: string, type: ParameterType, x: JsonValue): boolean | string {
  const outcome = evaluate(expression, { x: type }, { x });
  if (outcome.kind === "error") return outcome.why;
  return outcome.kind === "missing" ? "missing" : outcome.kind === "true";
}

describe("values of parameters", () => {
  const accepted: [ParameterType, JsonValue, string][] = [
    ["bool", true, "x"],
    ["string", "a", 'x == "a"'],
    ["int", 3, "x == 3"],
    ["int", "3", "x == 3"],
    ["int", "3.0", "x == 3"],
    ["int", "-3e2", "x == -300"],
    ["int", "9223372036854775807", "x == 9223372036854775807"],
    ["uint", 3, "x == 3u"],
    ["uint", "18446744073709551615", "x == 18446744073709551615u"],
    ["double", 3.5, "x == 3.5"],
    ["double", "3.5", "x == 3.5"],
    ["double", 3, "x == 3.0"],
    ["duration", "1h30m", 'x == duration("90m")'],
    ["duration", "-1.5s", 'x == duration("-1500ms")'],
    ["duration", "0", 'x == duration("0s")'],
    ["timestamp", "2024-02-29T12:00:00Z", 'x == timestamp("2024-02-29T12:00:00Z")'],
    ["timestamp", "2024-02-29T12:00:00.5+02:00", 'x == timestamp("2024-02-29T10:00:00.5Z")'],
    ["ipaddress", "10.1.2.3", 'x.in_cidr("10.0.0.0/8")'],
    ["ipaddress", "2001:db8::1", 'x.in_cidr("2001:db8::/32")'],
    ["ipaddress", "2001:db8:0::1", 'x == ipaddress("2001:db8::0:1")'],
    [{ list: "int" }, [1, "2"], "x == [1, 2]"],
    [{ map: "string" }, { a: "b" }, 'x.a == "b" && x["a"] == "b"'],
    [{ map: { list: "string" } }, { a: ["b"] }, '"b" in x.a'],
    ["any", { a: [1, null] }, "x.a[0] == 1.0 && x.a[1] == null"],
  ];
  it.each(accepted)("%j takes %j", (type, value, expression) => {
    expect(holds(expression, type, value)).toBe(true);
  });

  const refused: [ParameterType, JsonValue][] = [
    ["bool", "true"],
    ["string", 3],
    ["int", 3.5],
    ["int", "3.5"],
    ["int", "abc"],
    ["int", ""],
    ["int", "9223372036854775808"],
    ["int", 1e300],
    ["uint", -1],
    ["uint", "18446744073709551616"],
    ["double", "1e400"],
    ["double", "NaN"],
    ["double", "0x10"],
    ["double", ""],
    ["duration", 3],
    ["duration", "1 hour"],
    ["duration", "h"],
    ["timestamp", "2023-02-29T12:00:00Z"],
    ["timestamp", "2023-02-28 12:00:00Z"],
    ["timestamp", 0],
    ["ipaddress", "10.1.2"],
    ["ipaddress", "10.1.2.03"],
    ["ipaddress", "1::2::3"],
    [{ list: "int" }, [1, "a"]],
    [{ list: "int" }, { 0: 1 }],
    [{ map: "string" }, ["a"]],
    ["int", null],
    ["any", null],
    [{ list: "int" }, [null]],
  ];
  it.each(refused)("%j does not take %j", (type, value) => {
    expect(evaluate("true || x == x", { x: type }, { x: value })).toMatchObject({ kind: "error" });
  });

  it("come from the tuple before the request, and only from what the context itself holds", () => {
    expect(evaluate("x == 1", { x: "int" }, { x: 2 }, { x: 1 })).toEqual({ kind: "true" });
    expect(evaluate("x == 1", { x: "int" }, { x: 1 }, { x: 2 })).toEqual({ kind: "false" });
    expect(evaluate("true", { ...({ constructor: "any", toString: "any" } as const) })).toEqual({
      kind: "missing",
      parameters: ["constructor", "toString"],
    });
  });

  it("are all needed, even where the expression would decide without one", () => {
    const parameters = { x: "int", y: "int" } as const;
    expect(evaluate("x == 1 || y == 1", parameters, { x: 1 })).toEqual({
      kind: "missing",
      parameters: ["y"],
    });
  });
});

describe("INV-MODEL-5 a condition sees its parameters alone", () => {
  it("parts of a timestamp are UTC in every time zone of the machine", () => {
    const zone = process.env["TZ"];
    try {
      for (const tz of ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia"]) {
        process.env["TZ"] = tz;
        // 02:30 on the day when clocks in Berlin go from 02:00 to 03:00.
        const x = "2024-03-31T02:30:15.250Z";
        expect(holds("x.getHours() == 2 && x.getMinutes() == 30", "timestamp", x)).toBe(true);
        expect(holds("x.getSeconds() == 15 && x.getMilliseconds() == 250", "timestamp", x)).toBe(
          true,
        );
        expect(holds("x.getFullYear() == 2024 && x.getMonth() == 2", "timestamp", x)).toBe(true);
        expect(holds("x.getDate() == 31 && x.getDayOfMonth() == 30", "timestamp", x)).toBe(true);
        expect(holds("x.getDayOfWeek() == 0 && x.getDayOfYear() == 90", "timestamp", x)).toBe(true);
      }
    } finally {
      if (zone === undefined) delete process.env["TZ"];
      else process.env["TZ"] = zone;
    }
  });

  it("time zones are refused when the model is compiled, and there is no clock", () => {
    for (const expression of ['x.getHours("Europe/Berlin") == 2', "x > now()"]) {
      expect(() =>
        compileCondition("c", { expression, parameters: { x: "timestamp" } }),
      ).toThrowError(expect.objectContaining({ code: "MODEL_INVALID" }) as LedgerError);
    }
  });

  it("timestamp(int) counts seconds, as the language says", () => {
    expect(holds('timestamp(x) == timestamp("1970-01-01T00:01:00Z")', "int", 60)).toBe(true);
  });
});

describe("INV-MODEL-4 a condition takes a bounded number of steps", () => {
  const many = Array.from({ length: 1_000 }, (_, i) => `member-${i}`);
  const tooMany: [string, string][] = [
    ["loops in loops", "x.exists(a, x.exists(b, x.exists(c, false)))"],
    [
      "texts that double",
      `[x[0]].map(a, ${"a+".repeat(99)}a).map(a, ${"a+".repeat(99)}a).map(a, ${"a+".repeat(99)}a).size() > 0`,
    ],
    ["values that share", "[x].map(a, [a,a,a,a]).map(a, [a,a,a,a]).map(a, [a,a,a,a]) == [x]"],
    ["errors that are swallowed", "x.exists(a, x.exists(b, int(a) == int(b) || 1 / 0 == 1))"],
    ["a search in searches", "x.all(a, x.exists(b, b == a))"],
  ];
  it.each(tooMany)("%s", (_, expression) => {
    expect(holds(expression, { list: "string" }, many)).toMatch(/takes (more than|too many)/);
  });

  it("while a look through a list of a thousand is fine", () => {
    expect(holds('x.exists(a, a == "member-999")', { list: "string" }, many)).toBe(true);
    expect(holds('x.filter(a, a.endsWith("9")).size() == 100', { list: "string" }, many)).toBe(
      true,
    );
  });

  it("what nests too deep for some stack is refused when it is compiled", () => {
    const expressions = [
      `${"(".repeat(1_000)}true${")".repeat(1_000)}`,
      `${"!".repeat(1_000)}true`,
      `${"true ? true : ".repeat(200)}true`,
      `${"1 + ".repeat(900)}1 == 1`,
    ];
    for (const expression of expressions) {
      expect(() => compileCondition("c", { expression, parameters: {} })).toThrowError(
        expect.objectContaining({ code: "MODEL_INVALID" }) as LedgerError,
      );
    }
  });
});

describe("expressions", () => {
  const wrong: [string, string][] = [
    ["do not parse", "x <"],
    ["name what is not there", "y == 1"],
    ["call what is not there", "x.reverse() == x"],
  ];
  it.each(wrong)("that %s are refused", (_, expression) => {
    expect(() => compileCondition("c", { expression, parameters: { x: "int" } })).toThrowError(
      LedgerError,
    );
  });
});
