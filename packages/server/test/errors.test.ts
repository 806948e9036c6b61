/** Errors as stock clients see them, and what hostile bytes and texts do. */
import { AssertionError, ERROR_TABLE, isErrorCode, LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { testRandom, testRounds } from "../../../test/support.js";
import { call, errorOf, failureOf, methodOf, send, startHarness } from "./support/harness.js";
import { createTuple, GOOD_CALLS, TUPLE, transaction } from "./support/requests.js";
import { wireBytes, wireNumber, wireText, wireTexts } from "./support/wire.js";

/** What gRPC implementations accept by default for all headers of a message together. */
const HEADER_BYTES_MAX = 8 * 1024;

describe("every method", () => {
  it.each(GOOD_CALLS.map((good) => [good.method.join("."), good] as const))(
    "%s answers a right request, counts it, and refuses bytes that are none",
    async (_, { method, request }) => {
      const h = await startHarness();
      await call(h.client, method, request(h.tenant));
      const { path } = methodOf(...method);
      const failed = await failureOf(send(h.client, path, new Uint8Array([0x0a, 0xff])));
      expect([failed.status, failed.details.code]).toEqual([3, "MALFORMED_MESSAGE"]);
      const service = path.split("/")[1]?.split(".").at(-1);
      const own = `${service}/${method[1]}`;
      const [, meter] = [...h.meters.entries()].find(([name]) => name === own)!;
      expect([meter.counts[0], meter.counts[3]]).toEqual([1, 1]);
    },
  );

  const scoped = GOOD_CALLS.filter(
    ({ request }) => "vault" in request({ organization: 1n, vault: 1n }),
  );
  it.each(scoped.map((good) => [good.method.join("."), good] as const))(
    "%s refuses an organization and a vault that do not exist",
    async (_, { method, request }) => {
      const h = await startHarness();
      const unknown = { organization: 5n, vault: 5n };
      const failed = await failureOf(call(h.client, method, request(unknown)));
      expect([failed.status, failed.details.code]).toEqual([5, "ORGANIZATION_NOT_FOUND"]);
    },
  );
});

describe("an error", () => {
  it("has the standard details, readable without our code", async () => {
    const h = await startHarness();
    h.engine.failure = {
      call: "check",
      error: new LedgerError("OVERLOADED", "the queue is full", {
        details: { waiting: 10_000 },
        retryAfterMs: 1250,
      }),
    };
    const request = { ...h.tenant, tuple: TUPLE };
    const { status, bytes } = await failureOf(call(h.client, ["read", "check"], request));
    expect([status, wireNumber(bytes, 1)]).toEqual([8, 8]);
    const details = wireBytes(bytes, 3).map((any) => ({
      type: wireTexts(any, 1)[0],
      value: wireBytes(any, 2)[0]!,
    }));
    expect(details.map(({ type }) => type)).toEqual([
      "type.googleapis.com/google.rpc.ErrorInfo",
      "type.googleapis.com/google.rpc.RetryInfo",
      "type.googleapis.com/authledger.v1.ErrorDetails",
    ]);
    const info = details[0]!.value;
    expect([wireTexts(info, 1), wireTexts(info, 2)]).toEqual([["OVERLOADED"], ["authledger.dev"]]);
    const [entry] = wireBytes(info, 3);
    expect([wireTexts(entry!, 1), wireTexts(entry!, 2)]).toEqual([["waiting"], ["10000"]]);
    const [delay] = wireBytes(details[1]!.value, 1);
    expect([wireNumber(delay!, 1), wireNumber(delay!, 2)]).toEqual([1, 250_000_000]);
  });

  it("names the field that is wrong in google.rpc.BadRequest", async () => {
    const h = await startHarness();
    const request = { ...h.tenant, tuple: { ...TUPLE, relation: "9" } };
    const { bytes } = await failureOf(call(h.client, ["read", "check"], request));
    const bad = wireBytes(bytes, 3).find((any) => wireTexts(any, 1)[0]?.endsWith("BadRequest"));
    const [violation] = wireBytes(wireBytes(bad!, 2)[0]!, 1);
    expect(wireTexts(violation!, 1)).toEqual(["relation"]);
  });

  it("has status, number and action of the error table, for every code of the table", async () => {
    const h = await startHarness();
    for (const [code, row] of Object.entries(ERROR_TABLE)) {
      if (!isErrorCode(code)) throw new Error(code);
      h.engine.failure = { call: "check", error: new LedgerError(code, "it happened") };
      const failed = await failureOf(
        call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE }),
      );
      expect(failed.details).toMatchObject({ code, number: row.number, action: row.action });
      expect(failed.text.startsWith(`${code}: it happened`)).toBe(true);
    }
  });

  it("that nobody expected tells nothing of its inside, and is logged", async () => {
    const h = await startHarness();
    const secret = new AssertionError("INV-X: secret", {});
    h.engine.failure = { call: "check", error: secret };
    const failed = await failureOf(
      call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE }),
    );
    expect([failed.status, failed.details.code]).toEqual([13, "INTERNAL"]);
    expect(`${failed.text} ${failed.details.message}`).not.toContain("secret");
    expect(h.logged).toEqual([secret]);
  });

  it("fits the headers that other implementations accept, whatever the texts are", async () => {
    const h = await startHarness();
    const wide = "\u{1F600}".repeat(5000);
    const details = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`fact${i}`, wide]));
    h.engine.failure = { call: "check", error: new LedgerError("INTERNAL", wide, { details }) };
    const failed = await failureOf(
      call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE }),
    );
    const headers = encodeURI(failed.text).length + Math.ceil((failed.bytes.length * 4) / 3);
    expect(headers).toBeLessThan(HEADER_BYTES_MAX);
  });
});

describe("hostile input", () => {
  /**
   * Messages show the beginning of what was wrong. Cut in the middle of a surrogate pair, that text cannot be
   * percent-encoded for `grpc-message`: the call was never answered, and the URIError in a promise that nobody
   * waits for ended the process.
   */
  it("whose text is cut inside a surrogate pair is refused like any other", async () => {
    const h = await startHarness();
    const face = "\u{1F600}";
    const texts = [0, 1].map((shift) => `${"k".repeat(shift)}${face.repeat(60)} `);
    for (const text of texts) {
      const tuple = { ...TUPLE, resource: `d:${text}` };
      const attempts: readonly (readonly ["read" | "write" | "admin", string, object])[] = [
        ["read", "read", { ...h.tenant, key: text }],
        ["read", "check", { ...h.tenant, tuple }],
        [
          "write",
          "write",
          { ...h.tenant, transaction: transaction([createTuple(tuple)]), prove: false },
        ],
        ["admin", "createOrganization", { name: text }],
      ];
      for (const [service, method, request] of attempts) {
        const failed = await failureOf(
          call(h.client, [service, method], request, { deadlineMs: 3000 }),
        );
        expect(failed.status).toBe(3);
      }
    }
  });

  it("that is not UTF-8 is refused, not replaced", async () => {
    const h = await startHarness();
    const { path } = methodOf("admin", "createOrganization");
    expect((await send(h.client, path, wireText(1, "acme"))).length).toBeGreaterThan(0);
    const bytes = new Uint8Array([0x0a, 0x02, 0x61, 0xff]);
    const failed = await failureOf(send(h.client, path, bytes));
    expect(failed.details.code).toBe("MALFORMED_MESSAGE");
  });

  it("cut off, mutated or random is answered by a typed error or an answer, never by silence", async () => {
    const h = await startHarness();
    const random = testRandom("server hostile bytes");
    const pick = (below: number): number => {
      const bytes = random.bytes(4);
      return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) % below;
    };
    for (let round = 0; round < testRounds(400); round++) {
      const { method, request } = GOOD_CALLS[pick(GOOD_CALLS.length)]!;
      const { path, requestSerialize } = methodOf(...method);
      let bytes = new Uint8Array(requestSerialize(request(h.tenant) as never));
      const kind = pick(3);
      if (kind === 0) bytes = bytes.slice(0, pick(bytes.length + 1));
      else if (kind === 1) for (let i = 0; i <= pick(4); i++) bytes[pick(bytes.length)] = pick(256);
      else bytes = new Uint8Array(random.bytes(pick(60)));
      await send(h.client, path, bytes, { deadlineMs: 5000 }).catch(async (error: unknown) => {
        const failed = await failureOf(Promise.reject(error));
        expect(failed.details.code, `${path} ${Buffer.from(bytes).toString("hex")}`).not.toBe(
          "INTERNAL",
        );
      });
    }
    expect(await call(h.client, ["admin", "getNodeInfo"], {})).toBeDefined();
  });

  it("to a method that does not exist is unimplemented", async () => {
    const h = await startHarness();
    const error = await errorOf(
      send(h.client, "/authledger.v1.ReadService/Nothing", new Uint8Array()),
    );
    expect(error.code).toBe(12);
  });
});
