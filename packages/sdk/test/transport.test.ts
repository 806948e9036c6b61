/** Connections, deadlines, retries and errors, against a real gRPC server. */
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { LedgerError } from "@authledger/types";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { createClient, createTuple, type LedgerClient, UnreachableError } from "../src/index.js";
import { appliedWrite, checkResponse, fakeLedger, refusal } from "./support/fake-ledger.js";

const tenant = { organization: 7n, vault: "9" };
const TUPLE = "document:budget#viewer@user:alice";

function clientOf(
  endpoints: string | readonly string[],
  options: Partial<Parameters<typeof createClient>[0]> = {},
): LedgerClient {
  const client = createClient({ endpoints, tenant, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** An address of loopback where nobody listens. */
async function closedPort(): Promise<string> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

/** Accepts connections and says nothing. */
async function silentPort(): Promise<string> {
  const server = createTcpServer();
  const sockets: { destroy(): void }[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a client", () => {
  it("never throws when it is made; the first call says what is wrong", async () => {
    const cases: [Parameters<typeof createClient>[0], string, string][] = [
      [{ endpoints: "localhost", tenant }, "INVALID_ARGUMENT", "endpoints"],
      [{ endpoints: "localhost:0", tenant }, "INVALID_ARGUMENT", "endpoints"],
      [{ endpoints: "a:70000", tenant }, "INVALID_ARGUMENT", "endpoints"],
      [{ endpoints: [], tenant }, "INVALID_ARGUMENT", "endpoints"],
      [{ endpoints: "a:1", tenant, deadlineMs: 0 }, "INVALID_ARGUMENT", "deadlineMs"],
      [{ endpoints: "a:1", tenant, attemptsMax: -1 }, "INVALID_ARGUMENT", "attemptsMax"],
      [{ endpoints: "a:1", tenant, coalesce: 1 as never }, "INVALID_ARGUMENT", "coalesce"],
      [{ endpoints: "a:1" }, "SLUG_REQUIRED", "organization"],
      [{ endpoints: "a:1", tenant: { ...tenant, vault: "0" } }, "SLUG_REQUIRED", "vault"],
      [{ endpoints: "a:1", tenant: { ...tenant, vault: "x" } }, "INVALID_ARGUMENT", "vault"],
    ];
    for (const [options, code, field] of cases) {
      const client = createClient(options);
      const error = await rejectedBy(client.hasTuple(TUPLE));
      expect([error.code, error.details["field"]]).toEqual([code, field]);
      client.close();
    }
    const client = clientOf("a:1");
    expect((await rejectedBy(client.hasTuple("nonsense"))).code).toBe("INVALID_TUPLE");
    const options = { requestId: "two words" };
    expect((await rejectedBy(client.hasTuple(TUPLE, options))).details["field"]).toBe("requestId");
  });

  it("sends tenant, request id and deadline, and closes with `await using`", async () => {
    const seen: unknown[] = [];
    const { endpoint } = await fakeLedger({
      read: {
        check: ({ organization, vault, tuple }, call) => {
          const leftMs = Number(call.getDeadline()) - Date.now();
          seen.push(organization, vault, tuple, call.metadata.get("x-request-id"));
          seen.push(leftMs > 3_000 && leftMs <= 5_000);
          return checkResponse();
        },
      },
    });
    let closed: LedgerClient;
    {
      await using client = createClient({ endpoints: endpoint, tenant });
      closed = client;
      await client.hasTuple(TUPLE, { requestId: "r-1" });
    }
    const tuple = { resource: "document:budget", relation: "viewer", subject: "user:alice" };
    expect(seen).toEqual([7n, 9n, tuple, ["r-1"], true]);
    expect((await rejectedBy(closed.hasTuple(TUPLE))).code).toBe("CLIENT_CLOSED");
    closed.close();
  });
});

describe("errors of the server", () => {
  it("arrive with code, facts, advice on retries, and the request's id", async () => {
    const { endpoint } = await fakeLedger({
      read: {
        check: () => {
          throw refusal("TOKEN_OTHER_VAULT", "another vault", { context: { field: "token" } });
        },
      },
    });
    const error = await rejectedBy(clientOf(endpoint).hasTuple(TUPLE, { requestId: "id-7" }));
    expect(error).toBeInstanceOf(LedgerError);
    expect([error.code, error.message]).toEqual(["TOKEN_OTHER_VAULT", "another vault"]);
    expect(error.row.retry).toBe("never");
    expect(error.details).toEqual({ field: "token", requestId: "id-7", endpoint });
  });

  it("of a newer version keep their text and get the code of their status", async () => {
    const { endpoint } = await fakeLedger({
      read: {
        check: () => {
          throw refusal("QUOTA_OF_THE_FUTURE", "too much", { grpc: 9 });
        },
      },
    });
    const error = await rejectedBy(clientOf(endpoint).hasTuple(TUPLE));
    expect([error.code, error.message]).toEqual(["PRECONDITION_FAILED", "too much"]);
    expect(error.details["serverCode"]).toBe("QUOTA_OF_THE_FUTURE");
  });

  it.each([
    [12, "UNIMPLEMENTED"],
    [3, "INVALID_ARGUMENT"],
    [5, "ENTITY_NOT_FOUND"],
    [8, "OVERLOADED"],
    [13, "INTERNAL"],
    [7, "PERMISSION_DENIED"],
    [16, "UNAUTHENTICATED"],
  ])("without details, status %i becomes %s", async (code, expected) => {
    const { endpoint } = await fakeLedger({
      read: {
        check: () => {
          throw { code, details: "plain" };
        },
      },
    });
    const error = await rejectedBy(clientOf(endpoint, { attemptsMax: 1 }).hasTuple(TUPLE));
    expect([error.code, error.message]).toEqual([expected, "plain"]);
  });

  it("with damaged details fall back to the status", async () => {
    const { endpoint } = await fakeLedger({
      read: {
        check: () => {
          const bad = refusal("TOKEN_INVALID", "x");
          bad.metadata?.set("grpc-status-details-bin", Buffer.of(0x1a, 0xff, 0xff));
          throw bad;
        },
      },
    });
    expect((await rejectedBy(clientOf(endpoint).hasTuple(TUPLE))).code).toBe("INVALID_ARGUMENT");
  });
});

describe("retries", () => {
  it("repeat a write under the same idempotency key, also when it may have happened (INV-SDK-1)", async () => {
    const keys: string[] = [];
    const { endpoint } = await fakeLedger({
      write: {
        write: ({ transaction }) => {
          keys.push(transaction!.idempotencyKey);
          if (keys.length === 1) throw refusal("SHUTTING_DOWN", "bye");
          if (keys.length === 2) throw { code: 14, details: "Connection dropped" };
          if (keys.length === 3) throw refusal("OVERLOADED", "full", { retryAfterMs: 120n });
          return appliedWrite({ replayed: true });
        },
      },
    });
    const start = performance.now();
    const answer = await clientOf(endpoint).write([createTuple(TUPLE)]);
    expect(performance.now() - start).toBeGreaterThan(120);
    expect(keys).toHaveLength(4);
    expect(new Set(keys)).toEqual(new Set([answer.idempotencyKey]));
    expect(answer.replayed).toBe(true);
  });

  it("stop at the attempts allowed, and never repeat what would fail again", async () => {
    let calls = 0;
    let code = "OVERLOADED";
    const { endpoint } = await fakeLedger({
      read: {
        check: () => {
          calls++;
          throw refusal(code, "no");
        },
      },
    });
    const client = clientOf(endpoint, { attemptsMax: 3 });
    expect((await rejectedBy(client.hasTuple(TUPLE))).code).toBe("OVERLOADED");
    expect(calls).toBe(3);
    for (code of ["VAULT_NOT_FOUND", "INTERNAL", "DEADLINE_EXCEEDED"]) {
      calls = 0;
      expect((await rejectedBy(client.hasTuple(TUPLE))).code).toBe(code);
      expect(calls).toBe(1);
    }
  });

  it("leave alone what is not repeatable and may have happened: the creation of an organization", async () => {
    let calls = 0;
    let error = { code: 14, details: "Connection dropped" } as object;
    const { endpoint } = await fakeLedger({
      admin: {
        createOrganization: () => {
          calls++;
          throw error;
        },
      },
    });
    const client = clientOf(endpoint, { attemptsMax: 3 });
    expect((await rejectedBy(client.admin.createOrganization("acme"))).code).toBe("UNAVAILABLE");
    expect(calls).toBe(1);
    error = refusal("NOT_READY", "starting");
    expect((await rejectedBy(client.admin.createOrganization("acme"))).code).toBe("NOT_READY");
    expect(calls).toBe(4);
  });

  it("go to the next endpoint at once, and stay there", async () => {
    const first = await closedPort();
    let calls = 0;
    const { endpoint } = await fakeLedger({
      read: { check: () => checkResponse({ height: BigInt(++calls) }) },
    });
    const client = clientOf([first, endpoint]);
    expect((await client.hasTuple(TUPLE)).height).toBe(1n);
    expect((await client.hasTuple(TUPLE)).height).toBe(2n);
  });

  it("leave an endpoint that takes connections and says nothing, within the deadline", async () => {
    const silent = await silentPort();
    const { endpoint } = await fakeLedger({ read: { check: () => checkResponse() } });
    expect((await clientOf([silent, endpoint]).hasTuple(TUPLE)).stored).toBe(true);
  });

  it("ride out a server that restarts", async () => {
    const handlers = { read: { check: () => checkResponse() } };
    const before = await fakeLedger(handlers);
    const client = clientOf(before.endpoint, { attemptsMax: 100, deadlineMs: 10_000 });
    await client.hasTuple(TUPLE);
    before.stop();
    const waiting = client.hasTuple(TUPLE);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await fakeLedger(handlers, Number(before.endpoint.split(":")[1]));
    expect((await waiting).stored).toBe(true);
  });
});

describe("what cannot be reached", () => {
  it("is told endpoint by endpoint, each with what the connection met (INV-SDK-2)", async () => {
    const web = createServer((_, response) => response.end("hello"));
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      web.closeAllConnections();
      web.close();
    });
    const wrong = `127.0.0.1:${(web.address() as AddressInfo).port}`;
    const refused = await closedPort();
    const unknown = "no-such-host.invalid:7400";
    const client = clientOf([refused, unknown, wrong], { attemptsMax: 3 });
    const error = await rejectedBy(client.hasTuple(TUPLE, { requestId: "r" }));
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error.code).toBe("UNAVAILABLE");
    expect((error as UnreachableError).endpoints).toEqual([
      { endpoint: refused, cause: "refused", message: "connection refused" },
      { endpoint: unknown, cause: "dns", message: "no such host" },
      { endpoint: wrong, cause: "not-grpc", message: "it does not speak gRPC" },
    ]);
    expect(error.message).toContain(`cannot reach any of 3 endpoints for "Check"`);
    expect(error.message).toContain(`${refused}: connection refused`);
    expect(error.details["requestId"]).toBe("r");
  });

  // Deadlines were moments of the machine's clock: one that was set back while a call waited for an election gave the call
  // an hour more.
  it("is waited for until the deadline, also when the clock of the machine is set back (INV-SDK-2)", async () => {
    const { endpoint } = await fakeLedger({
      read: {
        check: () => {
          throw refusal("NO_LEADER", "an election");
        },
      },
    });
    const call = rejectedBy(clientOf(endpoint).hasTuple(TUPLE, { deadlineMs: 800 }));
    const now = Date.now.bind(Date);
    setTimeout(() => vi.spyOn(Date, "now").mockImplementation(() => now() - 3_600_000), 200);
    onTestFinished(() => void vi.restoreAllMocks());
    expect((await call).code).toBe("NO_LEADER");
  });

  it("because nothing answers ends at the deadline and says so", async () => {
    const client = clientOf(await silentPort(), { deadlineMs: 300 });
    const start = performance.now();
    const error = await rejectedBy(client.hasTuple(TUPLE));
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(error.code).toBe("UNAVAILABLE");
    expect(error.message).toMatch(/no connection within \d+ ms/);
  });
});

describe("a call", () => {
  it("that a connected server does not answer names it, the call and the time", async () => {
    const { endpoint } = await fakeLedger({ read: { check: () => new Promise(() => {}) } });
    const client = clientOf(endpoint);
    const error = await rejectedBy(client.hasTuple(TUPLE, { deadlineMs: 250, requestId: "q" }));
    expect(error.code).toBe("DEADLINE_EXCEEDED");
    expect(error.message).toBe(
      `${endpoint} is connected, but did not answer "Check" within 250 ms`,
    );
    expect(error.details).toEqual({ endpoint, deadlineMs: 250, requestId: "q" });
  });

  it("is given up by its signal: before it begins, while it waits, and between retries", async () => {
    let calls = 0;
    let isBusy = false;
    const { endpoint } = await fakeLedger({
      read: {
        check: () => {
          calls++;
          if (isBusy) throw refusal("OVERLOADED", "full", { retryAfterMs: 60_000n });
          return new Promise(() => {});
        },
      },
    });
    const client = clientOf(endpoint, { deadlineMs: 100_000 });
    const before = await rejectedBy(
      client.hasTuple(TUPLE, { signal: AbortSignal.abort("enough") }),
    );
    expect([before.code, before.cause, calls]).toEqual(["CANCELLED", "enough", 0]);
    const during = await rejectedBy(client.hasTuple(TUPLE, { signal: AbortSignal.timeout(100) }));
    expect([during.code, calls]).toEqual(["CANCELLED", 1]);
    isBusy = true;
    const between = await rejectedBy(client.hasTuple(TUPLE, { signal: AbortSignal.timeout(100) }));
    expect([between.code, calls]).toEqual(["CANCELLED", 2]);
  });

  it("is given up at once while a connection is waited for", async () => {
    const client = clientOf(await silentPort());
    const controller = new AbortController();
    const start = performance.now();
    const call = rejectedBy(client.getTip({ signal: controller.signal }));
    setTimeout(() => controller.abort(), 20);
    expect((await call).code).toBe("CANCELLED");
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it("whose answer is larger than a message may be gets a typed error", async () => {
    const { endpoint } = await fakeLedger({
      read: { check: () => checkResponse({ token: new Uint8Array(9 << 20) }) },
    });
    expect((await rejectedBy(clientOf(endpoint).hasTuple(TUPLE))).code).toBe("LIMIT_EXCEEDED");
  });
});
