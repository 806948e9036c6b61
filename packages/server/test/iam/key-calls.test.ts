/** The calls about API keys over the wire, in front of a fake engine. */
import type { iam } from "@authledger/proto";
import { describe, expect, it } from "vitest";
import { call, failureOf, type Harness, startHarness } from "../support/harness.js";

function create(h: Harness, request: object): Promise<iam.CreateApiKeyResponse> {
  const complete = { name: "app", expiresAtMs: 0n, reason: "", ...request };
  return call(h.client, ["iam", "createApiKey"], complete);
}

function list(
  h: Harness,
  pageSize: number,
  pageToken = new Uint8Array(0),
): Promise<iam.ListApiKeysResponse> {
  return call(h.client, ["iam", "listApiKeys"], { pageSize, pageToken });
}

describe("the calls about API keys", () => {
  it("show a key once: lists have its name, whom it stands for and who made it, page by page", async () => {
    const h = await startHarness();
    const expiresAtMs = BigInt(Date.now() + 60_000);
    const made = await create(h, { expiresAtMs, reason: "for the app" });
    expect(made.text).toMatch(/^alk_/);
    expect(made.key).toMatchObject({ name: "app", creator: "anonymous", expiresAtMs });
    expect(made.key!.principal).toBe(`key:${made.key!.id}`);
    await create(h, { name: "other" });
    const first = await list(h, 1);
    const second = await list(h, 1, Buffer.from(first.nextPageToken));
    const all = [...first.keys, ...second.keys];
    expect(all.map(({ name }) => name).sort()).toEqual(["app", "other"]);
    expect(second.nextPageToken).toHaveLength(0);
    expect(all.find(({ id }) => id === made.key!.id)).toEqual(made.key);
    const [written] = h.engine.requests("write");
    expect(written).toMatchObject({ vault: 0, actor: "anonymous" });
    expect(written!.transactions[0]!.reason).toBe("for the app");
  });

  it("revoke a key once", async () => {
    const h = await startHarness();
    const { key } = await create(h, {});
    const revoke = (id: string): Promise<unknown> =>
      call(h.client, ["iam", "revokeApiKey"], { id, reason: "" });
    await revoke(key!.id);
    expect((await list(h, 10)).keys).toEqual([]);
    expect((await failureOf(revoke(key!.id))).details.code).toBe("KEY_NOT_FOUND");
    expect((await failureOf(revoke("a:b"))).details.code).toBe("INVALID_ARGUMENT");
  });

  it("refuse names and times that cannot be, and write nothing", async () => {
    const h = await startHarness();
    for (const wrong of [
      { name: "" },
      { name: "with space" },
      { expiresAtMs: 1n },
      { expiresAtMs: 2n ** 60n },
      { reason: "x".repeat(2_000) },
    ]) {
      expect((await failureOf(create(h, wrong))).status).toBe(3);
    }
    expect(h.engine.requests("write")).toEqual([]);
  });

  it("tell who calls", async () => {
    const h = await startHarness();
    const answer = await call(h.client, ["iam", "whoAmI"], {});
    expect(answer).toEqual({ principal: "anonymous", kind: "anonymous" });
  });
});
