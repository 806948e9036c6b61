/** Which of flag, environment, context and default a setting is taken from. */
import { expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import type { ContextFile } from "../../src/contexts/context-file.js";
import { type GlobalFlags, settingsOf } from "../../src/run/settings.js";

const CONTEXTS: ContextFile = {
  current: "dev",
  previous: undefined,
  contexts: new Map([
    ["dev", { endpoint: "ctx:1", organization: "1", vault: "1", anchor: "/ctx", pins: "/pins" }],
    ["prod", { endpoint: "prod:1" }],
  ]),
};
const ENV = {
  AUTHLEDGER_ENDPOINT: "env:2",
  AUTHLEDGER_ORG: "2",
  AUTHLEDGER_VAULT: "2",
  AUTHLEDGER_ANCHOR: "/env",
  AUTHLEDGER_PINS: "/env-pins",
};
const FLAGS = { endpoint: "flag:3", org: "3", vault: "3", anchor: "/flag", pins: "/flag-pins" };

it("each setting by itself comes from the strongest: flag, environment, context, default (INV-CONTEXT-1)", () => {
  const keys = ["endpoint", "organization", "vault", "pins"] as const;
  const flagNames = {
    endpoint: "endpoint",
    organization: "org",
    vault: "vault",
    pins: "pins",
  } as const;
  const variables = {
    endpoint: "AUTHLEDGER_ENDPOINT",
    organization: "AUTHLEDGER_ORG",
    vault: "AUTHLEDGER_VAULT",
    pins: "AUTHLEDGER_PINS",
  } as const;
  for (const key of keys) {
    const flags: GlobalFlags = { [flagNames[key]]: FLAGS[flagNames[key]] };
    const env = { [variables[key]]: ENV[variables[key]] };
    const source = (f: GlobalFlags, e: Record<string, string>, c?: ContextFile) =>
      settingsOf(f, { HOME: "/home", ...e }, c).sources[key];
    expect(source(flags, env, CONTEXTS)).toMatchObject({ source: "flag" });
    expect(source({}, env, CONTEXTS)).toMatchObject({
      source: "environment",
      sourceName: variables[key],
    });
    expect(source({}, {}, CONTEXTS)).toMatchObject({ source: "context", sourceName: "dev" });
    expect(source({}, {})).toMatchObject({ source: "default" });
    // Empty variables are not set, and one setting does not touch another.
    expect(source({}, { [variables[key]]: "" }, CONTEXTS)).toMatchObject({ source: "context" });
    for (const other of keys.filter((one) => one !== key)) {
      expect(settingsOf(flags, env, CONTEXTS).sources[other].source).toBe("context");
    }
  }
  expect(settingsOf({ context: "prod" }, {}, CONTEXTS).endpoints).toEqual(["prod:1"]);
  expect(settingsOf({}, { AUTHLEDGER_CONTEXT: "prod" }, CONTEXTS).endpoints).toEqual(["prod:1"]);
  const unknown = thrownBy(() => settingsOf({ context: "prdo" }, {}, CONTEXTS));
  expect([unknown.code, unknown.message]).toEqual([
    "CONTEXT_NOT_FOUND",
    'there is no context "prdo" (did you mean "prod"?)',
  ]);
});

it("an anchor is used only for the vault that it was set with (INV-CONTEXT-2)", () => {
  const anchor = (flags: GlobalFlags, env: Record<string, string>): string | undefined =>
    settingsOf(flags, env, CONTEXTS).anchorFile;
  expect(anchor({}, {})).toBe("/ctx");
  expect(anchor({ vault: "1", org: "1" }, {})).toBe("/ctx");
  expect(anchor({ vault: "8" }, {})).toBeUndefined();
  expect(anchor({}, { AUTHLEDGER_ORG: "8" })).toBeUndefined();
  expect(anchor({}, ENV)).toBe("/env");
  expect(anchor({ vault: "8" }, ENV)).toBeUndefined();
  expect(anchor({ vault: "8", anchor: "/flag" }, ENV)).toBe("/flag");
  expect(anchor({ vault: "8" }, { AUTHLEDGER_ANCHOR: "/alone" })).toBe("/alone");
  const { unused } = settingsOf({ vault: "8" }, {}, CONTEXTS).sources.anchor;
  expect(unused).toBe("the anchor of dev is of vault 1");
});
