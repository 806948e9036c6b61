/** Lists without proofs, and what a client did last: pages, their tokens, and what is refused. */
import type { read } from "@authledger/proto";
import { describe, expect, it } from "vitest";
import { call, failureOf, type Harness, startHarness } from "./support/harness.js";
import { createTuple, PAGE, transaction } from "./support/requests.js";

type Method = "listEntities" | "listResources" | "getClientState";

function ask<T>(h: Harness, method: Method, rest: object): Promise<T> {
  const request = { ...h.tenant, ...PAGE, prefix: "", includeExpired: false, ...rest };
  return call<T>(h.client, ["read", method], request);
}

async function filled(): Promise<Harness> {
  const h = await startHarness();
  const entities = ["a", "b:1", "b:2", "b:3", "c"].map((key) => ({
    operation: { $case: "setEntity", value: { key, value: new Uint8Array([1]), expiresAtMs: 0n } },
  }));
  const tuples = ["doc:a", "doc:b", "doc:c", "user:x"].map((resource) =>
    createTuple({ resource, relation: "viewer", subject: "user:ann" }),
  );
  const request = { ...h.tenant, transaction: transaction([...entities, ...tuples]), prove: false };
  await call(h.client, ["write", "write"], request);
  return h;
}

describe("lists", () => {
  it("page through all entities of a prefix and all resources of a type, once each", async () => {
    const h = await filled();
    for (const pageSize of [1, 2, 10]) {
      const keys: string[] = [];
      let pageToken = new Uint8Array(0);
      do {
        const page: read.ListEntitiesResponse = await ask(h, "listEntities", {
          prefix: "b:",
          pageSize,
          pageToken,
        });
        expect(page.height).toBe(1n);
        keys.push(...page.entities.map(({ key }) => key));
        pageToken = new Uint8Array(page.nextPageToken);
      } while (pageToken.length > 0);
      expect(keys).toEqual(["b:1", "b:2", "b:3"]);
      const names: string[] = [];
      do {
        const page: read.ListResourcesResponse = await ask(h, "listResources", {
          type: "doc",
          pageSize,
          pageToken,
        });
        names.push(...page.resources);
        pageToken = new Uint8Array(page.nextPageToken);
      } while (pageToken.length > 0);
      expect(names).toEqual(["doc:a", "doc:b", "doc:c"]);
    }
  });

  it("take a page token for the list, the vault and the filters that it was given for, and for nothing else (L-129)", async () => {
    const h = await filled();
    const page = { pageSize: 1 };
    const entities = await ask<read.ListEntitiesResponse>(h, "listEntities", {
      ...page,
      prefix: "b:",
    });
    const resources = await ask<read.ListResourcesResponse>(h, "listResources", {
      ...page,
      type: "doc",
    });
    await call(h.client, ["admin", "createVault"], { ...h.tenant, name: "next" });
    const [entityToken, resourceToken] = [entities.nextPageToken, resources.nextPageToken];
    const attempts: [Method, object][] = [
      ["listEntities", { ...page, prefix: "b", pageToken: entityToken }],
      ["listEntities", { ...page, prefix: "b:", includeExpired: true, pageToken: entityToken }],
      [
        "listEntities",
        { ...page, prefix: "b:", pageToken: entityToken, vault: h.tenant.vault + 1n },
      ],
      ["listEntities", { ...page, prefix: "b:", pageToken: resourceToken }],
      [
        "listEntities",
        {
          ...page,
          prefix: "b:",
          pageToken: entityToken.map((byte, i) => (i === 2 ? byte ^ 1 : byte)),
        },
      ],
      ["listResources", { ...page, type: "user", pageToken: resourceToken }],
      ["listResources", { ...page, type: "doc", pageToken: entityToken }],
      ["listResources", { ...page, type: "doc", pageToken: resourceToken.slice(0, -1) }],
    ];
    for (const [method, request] of attempts) {
      const failed = await failureOf(ask(h, method, request));
      expect([method, failed.status, failed.details.code]).toEqual([
        method,
        3,
        "PAGE_TOKEN_INVALID",
      ]);
    }
  });

  it("refuse what is no prefix, type, page size or client, by the name of the field", async () => {
    const h = await filled();
    const attempts: [Method, object, string, string][] = [
      ["listEntities", { prefix: "a b" }, "INVALID_ARGUMENT", "prefix"],
      ["listEntities", { prefix: "x".repeat(901) }, "LIMIT_EXCEEDED", "prefix"],
      ["listEntities", { pageSize: 1_001 }, "LIMIT_EXCEEDED", "page_size"],
      ["listResources", { type: "" }, "INVALID_TUPLE", "type"],
      ["listResources", { type: "doc:" }, "INVALID_TUPLE", "type"],
      ["listResources", { type: "9doc" }, "INVALID_TUPLE", "type"],
      ["getClientState", { clientId: "x".repeat(200) }, "LIMIT_EXCEEDED", "client_id"],
      ["getClientState", { clientId: "" }, "INVALID_ARGUMENT", "client_id"],
    ];
    for (const [method, request, code, field] of attempts) {
      const { details } = await failureOf(
        ask(h, method, { type: "doc", clientId: "app", ...request }),
      );
      expect([method, details.code, details.context["field"]]).toEqual([method, code, field]);
    }
  });
});

describe("the state of a client", () => {
  it("is its last sequence with block and transaction, or 0 without a transaction", async () => {
    const h = await startHarness();
    const app = await ask<read.GetClientStateResponse>(h, "getClientState", { clientId: "app" });
    expect(app).toMatchObject({ lastSequence: 3n, lastHeight: 2n, height: 0n });
    expect(new Uint8Array(app.lastTransactionId)).toEqual(new Uint8Array(16).fill(7));
    const none = await ask<read.GetClientStateResponse>(h, "getClientState", { clientId: "new" });
    expect([none.lastSequence, none.lastHeight, none.lastTransactionId.length]).toEqual([
      0n,
      0n,
      0,
    ]);
  });
});
