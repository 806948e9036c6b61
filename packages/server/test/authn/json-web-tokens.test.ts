/** Tokens: what is checked of them, and keys that change. */
import { createHmac } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LedgerError } from "@authledger/types";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy, temporaryDirectory, thrownBy } from "../../../../test/support.js";
import { Authenticator } from "../../src/authn/authenticator.js";
import { JsonWebTokens } from "../../src/authn/json-web-tokens.js";
import { until } from "../peer/peer-support.js";

const ISSUER = "https://issuer.example";
const AUDIENCE = "ledger";
const NOW_S = 1_800_000_000;

interface Signer {
  readonly key: Awaited<ReturnType<typeof generateKeyPair>>["privateKey"];
  readonly alg: string;
  readonly jwk: JWK;
}

async function newSigner(alg: string, kid: string): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg };
  return { key: privateKey, alg, jwk };
}

function sign(
  { key, alg, jwk }: Signer,
  claims: object = {},
  header: object = {},
): Promise<string> {
  const all = { iss: ISSUER, aud: AUDIENCE, sub: "alice", exp: NOW_S + 600, ...claims };
  return new SignJWT(all).setProtectedHeader({ alg, kid: jwk.kid!, ...header }).sign(key);
}

let eddsa: Signer;
let es256: Signer;
let rs256: Signer;
beforeAll(async () => {
  eddsa = await newSigner("EdDSA", "one");
  es256 = await newSigner("ES256", "two");
  rs256 = await newSigner("RS256", "three");
});

function tokensOf(
  keys: readonly JWK[],
  options: { readonly clockMs?: () => number; readonly aliases?: boolean } = {},
): { readonly tokens: JsonWebTokens; readonly path: string; readonly problems: LedgerError[] } {
  const path = join(temporaryDirectory(), "keys.json");
  writeFileSync(path, JSON.stringify({ keys }));
  const problems: LedgerError[] = [];
  const settings = { issuer: ISSUER, audience: AUDIENCE, keys: path };
  const issuers = options.aliases === true ? [{ ...settings, alias: "corp" }] : [settings];
  const { clockMs = () => NOW_S * 1_000 } = options;
  const onProblem = (error: LedgerError): void => void problems.push(error);
  const tokens = new JsonWebTokens(issuers, { onProblem, pollMs: 10, clockMs });
  onTestFinished(() => tokens.close());
  return { tokens, path, problems };
}

describe("a token", () => {
  it("by EdDSA or ES256 stands for its subject, behind the alias of its issuer", async () => {
    const { tokens } = tokensOf([eddsa.jwk, es256.jwk]);
    for (const signer of [eddsa, es256]) {
      const verified = await tokens.verify(await sign(signer));
      expect(verified.principal).toEqual({ kind: "token", name: "user:alice" });
      expect(verified.expiresAtMs).toBe((NOW_S + 630) * 1_000);
    }
    const { tokens: several } = tokensOf([eddsa.jwk], { aliases: true });
    expect((await several.verify(await sign(eddsa))).principal.name).toBe("user:corp/alice");
  });

  it("that is wrong in any way gets one answer", async () => {
    const { tokens } = tokensOf([eddsa.jwk, es256.jwk, rs256.jwk]);
    const good = await sign(eddsa);
    const [header, payload, signature] = good.split(".") as [string, string, string];
    const encode = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const none = `${encode({ alg: "none" })}.${payload}.`;
    const hs = `${encode({ alg: "HS256", kid: "one" })}.${payload}`;
    const mac = createHmac("sha256", Buffer.from(eddsa.jwk.x!, "base64url")).update(hs);
    const stranger = await newSigner("EdDSA", "one");
    const wrong = [
      ...[none, `${hs}.${mac.digest("base64url")}`, await sign(rs256), await sign(stranger)],
      ...["", "a.b.c", `${header}.${payload}.`, `${header}.${payload}`],
      `${header}.${encode({ iss: ISSUER, aud: AUDIENCE, sub: "root", exp: NOW_S + 600 })}.${signature}`,
      await sign(eddsa, { aud: "another" }),
      await sign(eddsa, { iss: "https://evil.example" }),
      await sign(eddsa, { nbf: NOW_S + 60 }),
      await sign(eddsa, { exp: undefined }),
      await sign(eddsa, { sub: undefined }),
      await sign(eddsa, { sub: "" }),
      await sign(eddsa, { sub: "a\nb" }),
      await sign(eddsa, { sub: "x".repeat(300) }),
      await sign(eddsa, { exp: NOW_S - 600, aud: "another" }),
    ];
    const refused = await Promise.all(wrong.map((text) => rejectedBy(tokens.verify(text))));
    expect(new Set(refused.map(({ code, message }) => `${code}: ${message}`)).size).toBe(1);
    expect(refused[0]!.code).toBe("UNAUTHENTICATED");
  });

  it("that has expired is told so, after a leeway of 30 s, also where it is remembered", async () => {
    let nowMs = NOW_S * 1_000;
    const { tokens } = tokensOf([eddsa.jwk], { clockMs: () => nowMs });
    const keys = { generation: 1, verify: () => Promise.reject(new Error("not a key")) };
    const authenticator = new Authenticator({ keys, tokens }, { nowMs: () => nowMs });
    const text = await sign(eddsa, { exp: NOW_S });
    nowMs = (NOW_S + 29) * 1_000;
    expect(await authenticator.authenticate(text)).toMatchObject({ name: "user:alice" });
    expect(authenticator.authenticate(text)).toMatchObject({ name: "user:alice" });
    nowMs = (NOW_S + 31) * 1_000;
    expect(thrownBy(() => void authenticator.authenticate(text)).code).toBe("CREDENTIAL_EXPIRED");
    expect((await rejectedBy(tokens.verify(text))).code).toBe("CREDENTIAL_EXPIRED");
  });
});

describe("keys of an issuer", () => {
  it("INV-AUTHN-9: are for EdDSA and ES256 only; a set without any is refused at the start", () => {
    const secret = { kty: "oct", k: "AAAA", alg: "HS256" };
    for (const keys of [[], [secret], [rs256.jwk], [{ ...eddsa.jwk, d: "AAAA" }]]) {
      const error = thrownBy(() => tokensOf(keys));
      expect([error.code, error.details]).toEqual(["TLS_CONFIG", { field: "jwt" }]);
    }
  });

  it("are read again when their file changes: what was verified with a key that is gone is forgotten", async () => {
    const { tokens, path, problems } = tokensOf([eddsa.jwk]);
    const keys = { generation: 1, verify: () => Promise.reject(new Error("not a key")) };
    const authenticator = new Authenticator({ keys, tokens }, { nowMs: () => NOW_S * 1_000 });
    const text = await sign(eddsa);
    await authenticator.authenticate(text);
    writeFileSync(path, "{");
    await until("somebody is told of the broken file", () => problems.length === 1);
    expect(authenticator.authenticate(text)).toMatchObject({ name: "user:alice" });
    writeFileSync(`${path}.new`, JSON.stringify({ keys: [es256.jwk] }));
    renameSync(`${path}.new`, path);
    await until("the keys have changed", () => tokens.generation === 2);
    const refused = await rejectedBy(Promise.resolve(authenticator.authenticate(text)));
    expect(refused.code).toBe("UNAUTHENTICATED");
    await authenticator.authenticate(await sign(es256));
  });

  it("come over https once in a while: cached, asked for again for a new key but not for each token", async () => {
    let nowMs = 0;
    let asked = 0;
    let answer = (): Response => new Response(JSON.stringify({ keys: [eddsa.jwk] }));
    const tokens = new JsonWebTokens(
      [{ issuer: ISSUER, audience: AUDIENCE, keys: "https://issuer.example/keys" }],
      {
        onProblem: () => undefined,
        clockMs: () => NOW_S * 1_000,
        nowMs: () => nowMs,
        fetch: (async () => {
          asked++;
          return answer();
        }) as typeof fetch,
      },
    );
    onTestFinished(() => tokens.close());
    await tokens.verify(await sign(eddsa));
    await tokens.verify(await sign(eddsa, { sub: "bob" }));
    expect(asked).toBe(1);
    answer = () => new Response(JSON.stringify({ keys: [es256.jwk] }));
    const rotated = await sign(es256);
    expect((await rejectedBy(tokens.verify(rotated))).code).toBe("UNAUTHENTICATED");
    expect(asked).toBe(1);
    nowMs += 30_000;
    expect((await tokens.verify(rotated)).principal.name).toBe("user:alice");
    expect(asked).toBe(2);
  });

  it("that are too large, or behind an error, are not taken; who comes meanwhile is told to come again", async () => {
    const answers = [
      () => new Response("x".repeat(300_000)),
      () => new Response("", { status: 500 }),
    ];
    for (const answer of answers) {
      const problems: LedgerError[] = [];
      const tokens = new JsonWebTokens(
        [{ issuer: ISSUER, audience: AUDIENCE, keys: "https://issuer.example/keys" }],
        {
          onProblem: (error) => problems.push(error),
          fetch: (async () => answer()) as unknown as typeof fetch,
        },
      );
      onTestFinished(() => tokens.close());
      expect((await rejectedBy(tokens.verify(await sign(eddsa)))).code).toBe("UNAVAILABLE");
      expect(problems).toHaveLength(1);
    }
  });
});
