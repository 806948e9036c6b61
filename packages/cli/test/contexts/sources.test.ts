/** Which of flag, environment, context and default a setting is taken from. */
import { describe, expect, it } from "vitest";
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

describe("the token of a context", () => {
  const PROD: ContextFile = {
    current: "prod",
    previous: undefined,
    contexts: new Map([
      ["prod", { endpoint: "a:1,b:1", token: "secret-of-prod", tls_ca: "/ca.pem" }],
      ["file", { endpoint: "a:1", token_file: "/token" }],
    ]),
  };
  const access = (flags: GlobalFlags, env = {}) =>
    settingsOf(flags, { HOME: "/home", ...env }, PROD).access;

  it("is sent to the endpoints of that context only (INV-CONTEXT-4)", () => {
    expect(access({})).toMatchObject({ token: "secret-of-prod", tls: { ca: "/ca.pem" } });
    expect(access({ endpoint: "b:1" }).token).toBe("secret-of-prod");
    expect(access({ endpoint: "a:1,elsewhere:1" }).token).toBeUndefined();
    expect(access({}, { AUTHLEDGER_ENDPOINT: "elsewhere:1" }).token).toBeUndefined();
    expect(access({ context: "file", endpoint: "b:1" }).tokenFile).toBeUndefined();
    const { sources } = settingsOf({ endpoint: "elsewhere:1" }, {}, PROD);
    expect(sources.token.unused).toBe("the token of prod is for a:1,b:1");
  });

  it("gives way to a token or a token's file of a flag or variable, wherever that is sent", () => {
    expect(access({ endpoint: "c:1" }, { AUTHLEDGER_TOKEN: "t" }).token).toBe("t");
    const both = access({ tokenFile: "/mine" });
    expect([both.token, both.tokenFile]).toEqual([undefined, "/mine"]);
    const other = access({ context: "file", token: "mine" });
    expect([other.token, other.tokenFile]).toEqual(["mine", undefined]);
  });

  it("comes with what TLS needs: system is no file, and nothing asked for is plaintext", () => {
    expect(access({ tlsCa: "system" }).tls).toEqual({
      ...{ ca: undefined, cert: undefined, key: undefined, serverName: undefined },
    });
    expect(settingsOf({}, { HOME: "/" }).access.tls).toBeUndefined();
    const env = { AUTHLEDGER_TLS_CERT: "c", AUTHLEDGER_TLS_KEY: "k" };
    expect(access({ tlsServerName: "n1" }, env).tls).toEqual({
      ...{ ca: "/ca.pem", cert: "c", key: "k", serverName: "n1" },
    });
  });
});
