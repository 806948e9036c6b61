/** The text of keys, and keys in a system vault that is a real engine's. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNodeEngine } from "@authledger/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { makeApiKey, parseApiKey } from "../../src/authn/api-key.js";
import { ApiKeys } from "../../src/authn/api-keys.js";
import { Authenticator } from "../../src/authn/authenticator.js";
import { SystemMoves } from "../../src/system/system-moves.js";
import { SystemVault } from "../../src/system/system-vault.js";
import { until } from "../peer/peer-support.js";
import { FakeEngine } from "../support/fake-engine.js";

const BY_ROOT = { actor: "root", reason: "a test" };

describe("the text of an API key", () => {
  it("is one word that scanners find, and is never made twice", () => {
    const texts = Array.from({ length: 200 }, () => makeApiKey().text);
    for (const text of texts) expect(text).toMatch(/^alk_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}$/);
    expect(new Set(texts).size).toBe(200);
  });

  it("tells a typo anywhere from a key that is not known", () => {
    const { text, id, hash } = makeApiKey();
    expect(parseApiKey(text)).toEqual({ id, hash });
    for (let at = 4; at < text.length; at++) {
      if (text[at] === "_") continue;
      const other = text[at] === "x" ? "y" : "x";
      const typo = text.slice(0, at) + other + text.slice(at + 1);
      expect(parseApiKey(typo)).toBe("mistyped");
    }
    for (const none of ["", "alk_", text.slice(0, -1), `${text}a`, `x${text}`, "alk_a_b"]) {
      expect(parseApiKey(none)).toBeUndefined();
    }
  });
});

describe("API keys", () => {
  const directory = mkdtempSync(join(tmpdir(), "authledger-keys-"));
  let vault: SystemVault;
  let moves: SystemMoves;
  let close: () => Promise<void>;
  beforeAll(async () => {
    const options = { directory, cacheBytes: 16 * 1024 * 1024 };
    const engine = await openNodeEngine(options, () => undefined);
    vault = new SystemVault(engine);
    moves = new SystemMoves(engine);
    moves.start();
    close = async () => {
      moves.stop();
      await engine.close();
    };
  });
  afterAll(async () => {
    await close();
    rmSync(directory, { recursive: true });
  });

  it("INV-AUTHN-4: are stored as a hash: neither the state nor the block holds the secret", async () => {
    const keys = new ApiKeys(vault, moves);
    const made = await keys.create({ name: "ci", expiresAtMs: 0 }, BY_ROOT);
    const stored = await vault.read(`key:${made.id}`, { consistency: "linearizable" });
    const text = Buffer.from(stored!.value).toString();
    expect(JSON.parse(text)).toMatchObject({
      ...{ name: "ci", principal: `key:${made.id}`, kind: "key", creator: "root" },
    });
    const secret = made.text.split("_")[2]!.slice(0, 43);
    expect(text).not.toContain(secret);
    expect((await keys.verify(made.text)).principal).toEqual({
      kind: "key",
      name: `key:${made.id}`,
    });
  });

  it("are listed in pages and revoked once; who revokes again is told that there is none", async () => {
    const keys = new ApiKeys(vault, moves);
    const made = await keys.create({ name: "listed", expiresAtMs: 0 }, BY_ROOT);
    const names: string[] = [];
    for (let after: Uint8Array | undefined; ; ) {
      const page = await keys.list({ limit: 1, ...(after !== undefined && { after }) });
      names.push(...page.keys.map(({ record }) => record.name));
      if (page.next === undefined) break;
      after = page.next;
    }
    expect(names.filter((name) => name === "listed")).toHaveLength(1);
    await keys.revoke(made.id, BY_ROOT);
    expect((await rejectedBy(keys.revoke(made.id, BY_ROOT))).code).toBe("KEY_NOT_FOUND");
    expect((await rejectedBy(keys.revoke("root", BY_ROOT))).code).toBe("KEY_NOT_FOUND");
    expect((await rejectedBy(keys.verify(made.text))).code).toBe("UNAUTHENTICATED");
  });

  it("INV-AUTHN-2 INV-AUTHN-3 INV-AUTHN-5: a revoked key is forgotten when this node has applied that", async () => {
    const keys = new ApiKeys(vault, moves);
    const authenticator = new Authenticator({ keys });
    const made = await keys.create({ name: "short", expiresAtMs: 0 }, BY_ROOT);
    await authenticator.authenticate(made.text);
    await until("it is remembered", () => {
      const known = authenticator.authenticate(made.text);
      return !(known instanceof Promise);
    });
    await keys.revoke(made.id, BY_ROOT);
    const revokedAtMs = performance.now();
    await until("it is refused", () => authenticator.authenticate(made.text) instanceof Promise);
    expect(performance.now() - revokedAtMs).toBeLessThan(1_000);
    const refused = await rejectedBy(Promise.resolve(authenticator.authenticate(made.text)));
    expect(refused.code).toBe("UNAUTHENTICATED");
  });

  it("expire, for those that remember them too, and say so to who has the secret only", async () => {
    let nowMs = 1_000_000;
    const keys = new ApiKeys(vault, { keyGeneration: 1 }, () => nowMs);
    const authenticator = new Authenticator({ keys }, { nowMs: () => nowMs });
    const expiresAtMs = Date.now() + 60_000;
    const made = await keys.create({ name: "e", expiresAtMs }, BY_ROOT);
    expect(await authenticator.authenticate(made.text)).toMatchObject({ kind: "key" });
    nowMs = expiresAtMs;
    expect(() => authenticator.authenticate(made.text)).toThrow(/expired at/);
    expect((await rejectedBy(keys.verify(made.text))).code).toBe("CREDENTIAL_EXPIRED");
    const { text } = makeApiKey(made.id);
    expect((await rejectedBy(keys.verify(text))).code).toBe("UNAUTHENTICATED");
  });

  it("that are wrong get one answer, whatever is wrong with them", async () => {
    const keys = new ApiKeys(vault, moves);
    const made = await keys.create({ name: "o", expiresAtMs: 0 }, BY_ROOT);
    const wrong = [makeApiKey().text, makeApiKey(made.id).text, "alk_none", "alk_"];
    const answers = await Promise.all(wrong.map((text) => rejectedBy(keys.verify(text))));
    expect(new Set(answers.map(({ message }) => message)).size).toBe(1);
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(["UNAUTHENTICATED"]));
  });
});

describe("what is remembered of credentials", () => {
  it("is bounded, and asked for once by those who come together", async () => {
    const engine = new FakeEngine();
    const keys = new ApiKeys(new SystemVault(engine), { keyGeneration: 1 });
    const authenticator = new Authenticator({ keys }, { rememberedMax: 3 });
    const made: { readonly id: string; readonly text: string }[] = [];
    for (let i = 0; i < 10; i++) {
      made.push(await keys.create({ name: `k${i}`, expiresAtMs: 0 }, BY_ROOT));
    }
    engine.calls.length = 0;
    const together = await Promise.all(
      [1, 2, 3].map(() => authenticator.authenticate(made[0]!.text)),
    );
    expect(new Set(together.map(({ name }) => name))).toEqual(new Set([`key:${made[0]!.id}`]));
    expect(engine.requests("read_entities")).toHaveLength(1);
    for (const { text } of made) await authenticator.authenticate(text);
    expect(authenticator.size).toBeLessThanOrEqual(6);
  });

  it("refuses what is too long before it hashes it, and tokens where no issuer is configured", () => {
    const keys = new ApiKeys(new SystemVault(new FakeEngine()), { keyGeneration: 1 });
    const authenticator = new Authenticator({ keys });
    for (const text of ["x".repeat(9_000), "eyJhbGciOiJub25lIn0.e30."]) {
      expect(() => authenticator.authenticate(text)).toThrow(/not one that this ledger accepts/);
    }
  });
});
