/** Questions: what crosses the port, and what comes back from it. */
import { read } from "@authledger/proto";
import { limits } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { FAKE_PROOF } from "./support/fake-engine.js";
import { call, failureOf, type Harness, startHarness } from "./support/harness.js";
import { createTuple, PAGE, TUPLE, transaction } from "./support/requests.js";

const PROVE = { trustedSize: 4n, configHash: new Uint8Array(32).fill(1) };

async function write(h: Harness, ...operations: object[]): Promise<Uint8Array> {
  const request = { ...h.tenant, transaction: transaction(operations), prove: false };
  return (await call<{ token: Uint8Array }>(h.client, ["write", "write"], request)).token;
}

function setEntity(key: string, value: Uint8Array): object {
  return { operation: { $case: "setEntity", value: { key, value, expiresAtMs: 90n } } };
}

describe("Check", () => {
  it("says of a stored tuple that it is allowed, and of another one that it is not", async () => {
    const h = await startHarness();
    await write(h, createTuple());
    const check = (tuple: object): Promise<read.CheckResponse> =>
      call(h.client, ["read", "check"], { ...h.tenant, tuple });
    expect(await check(TUPLE)).toMatchObject({ allowed: true, height: 1n, proof: undefined });
    expect(await check({ ...TUPLE, subject: "user:bob" })).toMatchObject({ allowed: false });
  });

  it("resolves the names of a vault once", async () => {
    const h = await startHarness();
    for (let i = 0; i < 3; i++) {
      await call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE });
    }
    expect(h.engine.requests("resolve_vault")).toHaveLength(1);
    expect(h.engine.requests("check")).toHaveLength(3);
  });

  it("asks again for a vault that was unknown, since it may be created", async () => {
    const h = await startHarness();
    const request = { ...h.tenant, vault: h.tenant.vault + 1n, tuple: TUPLE };
    const failed = await failureOf(call(h.client, ["read", "check"], request));
    expect(failed.details.code).toBe("VAULT_NOT_FOUND");
    await call(h.client, ["admin", "createVault"], { ...h.tenant, name: "next" });
    expect(await call(h.client, ["read", "check"], request)).toMatchObject({ allowed: false });
  });

  it("carries every part of a proof", async () => {
    const h = await startHarness();
    const answer = await call<read.CheckResponse>(h.client, ["read", "check"], {
      ...h.tenant,
      tuple: TUPLE,
      prove: PROVE,
    });
    const bytes = (of: Uint8Array): number[] => [...of];
    expect({
      ...answer.proof,
      stateProof: bytes(answer.proof!.stateProof),
      historyProof: answer.proof!.historyProof.map(bytes),
    }).toMatchObject({ stateProof: [1, 1], historyProof: [[3], [4]], checkpoint: "a note\n" });
    expect(bytes(answer.proof!.header)).toEqual(bytes(FAKE_PROOF.header));
    expect(answer.proof!.consistencyProof.map(bytes)).toEqual([[5]]);
    expect([bytes(answer.proof!.pageFrom), bytes(answer.proof!.pageTo)]).toEqual([[6], [7]]);
    const [request] = h.engine.requests("check");
    expect(request!.prove!.trustedSize).toBe(4);
    expect(bytes(request!.prove!.configHash)).toEqual(bytes(PROVE.configHash));
  });
});

describe("BatchCheck", () => {
  it("answers in the order of its tuples, in one call of the engine", async () => {
    const h = await startHarness();
    await write(h, createTuple());
    const tuples = [{ ...TUPLE, relation: "editor" }, TUPLE, { ...TUPLE, resource: "doc:b" }];
    const answer = await call(h.client, ["read", "batchCheck"], { ...h.tenant, tuples });
    expect(answer).toMatchObject({ allowed: [false, true, false], height: 1n });
    expect(h.engine.requests("check")).toHaveLength(1);
  });

  it("takes as many tuples as the limit says and no more", async () => {
    const h = await startHarness();
    const tuples = Array.from({ length: limits.BATCH_READ_MAX }, () => TUPLE);
    const ask = (asked: object[]): Promise<read.BatchCheckResponse> =>
      call(h.client, ["read", "batchCheck"], { ...h.tenant, tuples: asked });
    expect((await ask(tuples)).allowed).toHaveLength(limits.BATCH_READ_MAX);
    const failed = await failureOf(ask([...tuples, TUPLE]));
    expect(failed.details).toMatchObject({
      code: "LIMIT_EXCEEDED",
      context: { field: "tuples", limit: "1000", actual: "1001" },
    });
  });

  it("names the tuple that is wrong", async () => {
    const h = await startHarness();
    const tuples = [TUPLE, TUPLE, { ...TUPLE, resource: "nocolon" }];
    const failed = await failureOf(call(h.client, ["read", "batchCheck"], { ...h.tenant, tuples }));
    expect(failed.details.context["field"]).toBe("tuples[2].resource");
  });
});

describe("Read", () => {
  it("returns an entity with all its parts, and nothing where there is none", async () => {
    const h = await startHarness();
    await write(h, setEntity("user:ann:theme", new Uint8Array([1, 2])));
    const found = await call<read.ReadResponse>(h.client, ["read", "read"], {
      ...h.tenant,
      key: "user:ann:theme",
    });
    const { value, nonce, ...rest } = found.entity!;
    expect([[...value], [...nonce]]).toEqual([[1, 2], [9]]);
    expect(rest).toEqual({ key: "user:ann:theme", version: 1n, expiresAtMs: 90n });
    const none = await call<read.ReadResponse>(h.client, ["read", "read"], {
      ...h.tenant,
      key: "user:bob:theme",
    });
    expect([none.entity, none.height]).toEqual([undefined, 1n]);
  });
});

describe("BatchRead", () => {
  it("answers in the order of its keys, at one height, with one proof", async () => {
    const h = await startHarness();
    await write(h, setEntity("b", new Uint8Array([2])));
    const answer = await call<read.BatchReadResponse>(h.client, ["read", "batchRead"], {
      ...h.tenant,
      keys: ["a", "b"],
      prove: PROVE,
    });
    expect(answer.results.map(({ entity }) => entity?.key)).toEqual([undefined, "b"]);
    expect(answer.proof?.checkpoint).toBe("a note\n");
    expect(h.engine.requests("read_entities")).toHaveLength(1);
  });

  it("names the key that is wrong", async () => {
    const h = await startHarness();
    const request = { ...h.tenant, keys: ["a", "with space"] };
    const failed = await failureOf(call(h.client, ["read", "batchRead"], request));
    expect(failed.details.context["field"]).toBe("keys[1]");
  });
});

describe("ListRelationships", () => {
  async function withTuples(): Promise<Harness> {
    const h = await startHarness();
    const subjects = ["user:a", "user:b", "user:c", "user:d", "user:e"];
    await write(h, ...subjects.map((subject) => createTuple({ ...TUPLE, subject })));
    return h;
  }

  it("pages through everything once, whatever the size of the pages", async () => {
    const h = await withTuples();
    for (const pageSize of [1, 2, 5, 1000]) {
      const seen: string[] = [];
      let pageToken = new Uint8Array(0);
      do {
        const page: read.ListRelationshipsResponse = await call(
          h.client,
          ["read", "listRelationships"],
          { ...h.tenant, resource: TUPLE.resource, pageSize, pageToken },
        );
        expect(page.relationships.length).toBeLessThanOrEqual(pageSize);
        seen.push(...page.relationships.map(({ tuple }) => tuple!.subject));
        pageToken = page.nextPageToken as Uint8Array<ArrayBuffer>;
      } while (pageToken.length > 0);
      expect(seen).toEqual(["user:a", "user:b", "user:c", "user:d", "user:e"]);
    }
  });

  it("refuses the token of another query, a changed one and a made-up one", async () => {
    const h = await withTuples();
    const list = (rest: object): Promise<read.ListRelationshipsResponse> =>
      call(h.client, ["read", "listRelationships"], { ...h.tenant, ...PAGE, pageSize: 2, ...rest });
    const { nextPageToken: token } = await list({});
    expect(token.length).toBeGreaterThan(0);
    const flipped = token.map((byte, i) => (i === 3 ? byte ^ 1 : byte));
    const attempts = [
      { pageToken: token, subject: "user:a" },
      { pageToken: token, resource: TUPLE.resource },
      { pageToken: flipped },
      { pageToken: token.slice(0, -1) },
      { pageToken: token.slice(0, 16) },
      { pageToken: new Uint8Array([1]) },
      { pageToken: new Uint8Array(200) },
    ];
    for (const attempt of attempts) {
      const failed = await failureOf(list(attempt));
      expect([failed.status, failed.details.code]).toEqual([3, "PAGE_TOKEN_INVALID"]);
    }
    expect((await list({ pageToken: token })).relationships).toHaveLength(2);
  });

  it("sends only the filters that are set", async () => {
    const h = await withTuples();
    await call(h.client, ["read", "listRelationships"], {
      ...h.tenant,
      ...PAGE,
      relation: "viewer",
    });
    const [request] = h.engine.requests("list_tuples");
    expect(request).toMatchObject({ relation: "viewer", limit: limits.LIST_PAGE_DEFAULT });
    for (const absent of ["resource", "subject", "after", "prove"]) {
      expect(request).not.toHaveProperty(absent);
    }
  });

  it("can only be proven with a resource or a subject", async () => {
    const h = await withTuples();
    const list = (rest: object): Promise<read.ListRelationshipsResponse> =>
      call(h.client, ["read", "listRelationships"], {
        ...h.tenant,
        ...PAGE,
        prove: PROVE,
        ...rest,
      });
    const failed = await failureOf(list({ relation: "viewer" }));
    expect(failed.details).toMatchObject({ code: "INVALID_ARGUMENT", context: { field: "prove" } });
    expect((await list({ subject: "user:a" })).proof?.checkpoint).toBe("a note\n");
  });
});

describe("consistency", () => {
  const ask = (h: Harness, requirement: object): Promise<read.CheckResponse> =>
    call(h.client, ["read", "check"], {
      ...h.tenant,
      tuple: TUPLE,
      consistency: { requirement },
    });

  it("is linearizable where nothing is said", async () => {
    const h = await startHarness();
    await call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE });
    await ask(h, { $case: "linearizable", value: {} });
    await ask(h, { $case: "any", value: { maxStalenessMs: 40n } });
    await ask(h, { $case: "atHeight", value: 0n });
    expect(h.engine.requests("check").map(({ consistency }) => consistency)).toEqual([
      { kind: "linearizable" },
      { kind: "linearizable" },
      { kind: "any", maxStalenessMs: 40 },
      { kind: "at_height", height: 0 },
    ]);
    const failed = await failureOf(ask(h, { $case: "atHeight", value: 2n ** 53n }));
    expect(failed.details.context).toMatchObject({ field: "consistency.at_height" });
  });

  it("takes the token of a write to the point of that write", async () => {
    const h = await startHarness();
    const token = await write(h, createTuple());
    await ask(h, { $case: "atLeast", value: token });
    expect(h.engine.requests("check")[0]!.consistency).toEqual({
      kind: "at_least",
      point: { vault: 1, height: 1, index: 1 },
    });
  });

  it("refuses the token of another vault, and what is no token", async () => {
    const h = await startHarness();
    const token = await write(h, createTuple());
    const made = await call<{ vault: { slug: bigint } }>(h.client, ["admin", "createVault"], {
      ...h.tenant,
      name: "other",
    });
    const other = { ...h, tenant: { ...h.tenant, vault: made.vault.slug } };
    const moved = await failureOf(ask(other, { $case: "atLeast", value: token }));
    expect([moved.status, moved.details.code]).toEqual([3, "TOKEN_OTHER_VAULT"]);
    const newer = token.map((byte, i) => (i === 0 ? 2 : byte));
    for (const value of [new Uint8Array(0), token.slice(1), newer, new Uint8Array([...token, 0])]) {
      const failed = await failureOf(ask(h, { $case: "atLeast", value }));
      expect(failed.details.code).toBe("TOKEN_INVALID");
    }
  });

  it("shows no internal id in a token", async () => {
    const h = await startHarness();
    const token = await write(h, createTuple());
    const view = new DataView(token.buffer, token.byteOffset);
    expect([view.getBigUint64(1), view.getBigUint64(9)]).toEqual([
      h.tenant.organization,
      h.tenant.vault,
    ]);
    expect(token).toHaveLength(33);
  });
});

describe("policies and reported heads", () => {
  it("come back as the engine gave them", async () => {
    const h = await startHarness();
    const vault = h.tenant;
    const bundles = await call<read.ListPolicyBundlesResponse>(
      h.client,
      ["read", "listPolicyBundles"],
      { ...vault, epoch: 1n, trustedSize: 1n },
    );
    expect(bundles.newestEpoch).toBe(2n);
    expect(bundles.bundles).toMatchObject([{ epoch: 2n, proof: { checkpoint: "note" } }]);
    const report = async (checkpoint: string): Promise<number> => {
      const method = ["read", "reportCheckpoint"] as const;
      const request = { ...vault, checkpoint };
      return (await call<read.ReportCheckpointResponse>(h.client, method, request)).judgement;
    };
    expect(await report("note")).toBe(read.CheckpointJudgement.CHECKPOINT_JUDGEMENT_CONSISTENT);
    expect(await report("forged")).toBe(
      read.CheckpointJudgement.CHECKPOINT_JUDGEMENT_CONTRADICTION,
    );
    const tooLong = report("x".repeat(70_000));
    await expect(tooLong).rejects.toThrow("64 KiB");
  });
});

describe("blocks and heads", () => {
  it("come back as the engine gave them", async () => {
    const h = await startHarness();
    const tip = await call<read.GetTipResponse>(h.client, ["read", "getTip"], h.tenant);
    expect([tip.height, [...tip.header], [...tip.blockHash]]).toEqual([0n, [8], [9]]);
    const block = await call<read.GetBlockResponse>(h.client, ["read", "getBlock"], {
      ...h.tenant,
      height: 0n,
      transactions: true,
    });
    expect(block.transactions.map((bytes) => [...bytes])).toEqual([[1], [2]]);
    const head = await call<read.GetCheckpointResponse>(h.client, ["read", "getCheckpoint"], {
      ...h.tenant,
      trustedSize: 1n,
    });
    expect([head.checkpoint, head.consistencyProof.map((p) => [...p])]).toEqual([
      "a note\n",
      [[5]],
    ]);
    const proof = await call<read.GetConsistencyProofResponse>(
      h.client,
      ["read", "getConsistencyProof"],
      { ...h.tenant, fromSize: 3n, toSize: 5n },
    );
    expect(proof.proof.map((p) => [...p])).toEqual([[3], [5]]);
  });

  it("that do not exist are not found", async () => {
    const h = await startHarness();
    const request = { ...h.tenant, height: 7n, transactions: false };
    const failed = await failureOf(call(h.client, ["read", "getBlock"], request));
    expect([failed.status, failed.details.code]).toEqual([5, "BLOCK_NOT_FOUND"]);
  });

  it("beyond 2^53 are refused by the front, naming the field", async () => {
    const h = await startHarness();
    const huge = 2n ** 53n;
    const attempts: readonly (readonly [string, object, string])[] = [
      ["getBlock", { height: huge, transactions: false }, "height"],
      ["getCheckpoint", { trustedSize: huge }, "trusted_size"],
      ["getConsistencyProof", { fromSize: huge, toSize: 1n }, "from_size"],
      ["getConsistencyProof", { fromSize: 1n, toSize: huge }, "to_size"],
    ];
    for (const [name, rest, field] of attempts) {
      const failed = await failureOf(call(h.client, ["read", name], { ...h.tenant, ...rest }));
      expect(failed.details).toMatchObject({ code: "INVALID_ARGUMENT", context: { field } });
    }
  });
});
