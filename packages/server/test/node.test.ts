/** A whole node over the real engine: start, serve, stop, start again. */

import type { read } from "@authledger/proto";
import { Client, credentials } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../test/support.js";
import { parseNodeConfig, type RunningNode, startNode } from "../src/index.js";
import { call, connect, errorOf, failureOf, methodOf, send } from "./support/harness.js";
import { createTuple, TUPLE, transaction } from "./support/requests.js";
import { createVault } from "./support/vault.js";
import { wireNumber, wireText } from "./support/wire.js";

const SILENT = pino({ level: "silent" });
const LOOPBACK = { listen: "127.0.0.1:0", http: "127.0.0.1:0", cache: "16MiB" };

async function start(data: string, rest: object = {}): Promise<RunningNode> {
  const node = await startNode(parseNodeConfig({ ...LOOPBACK, data, ...rest }), {
    version: "0.0.0-test",
    logger: SILENT,
    onFatal: (error) => {
      throw error;
    },
  });
  let isClosed = false;
  onTestFinished(async () => {
    if (!isClosed) await node.close();
  });
  const close = async (): Promise<void> => {
    isClosed = true;
    await node.close();
  };
  return { ...node, engine: node.engine, close };
}

describe("a node", () => {
  it("keeps what it acknowledged over a stop and a start", async () => {
    const data = temporaryDirectory();
    const first = await start(data);
    const client = connect(first.grpcAddress);
    const tenant = await createVault(client);
    const request = { ...tenant, transaction: transaction([createTuple()]), prove: true };
    await call(client, ["write", "write"], request);
    await first.close();
    const second = await start(data);
    const check: read.CheckResponse = await call(connect(second.grpcAddress), ["read", "check"], {
      ...tenant,
      tuple: TUPLE,
      prove: { trustedSize: 0n, configHash: new Uint8Array(0) },
    });
    expect([check.allowed, check.height]).toEqual([true, 1n]);
    expect(check.proof!.header).toHaveLength(244);
    expect(check.proof!.checkpoint).toContain(`${tenant.organization}/${tenant.vault}`);
  });

  it("answers the same check rightly while its tuple comes and goes", async () => {
    const node = await start(temporaryDirectory());
    const client = connect(node.grpcAddress);
    const tenants = [await createVault(client), await createVault(client)];
    const remove = { operation: { $case: "deleteRelationship", value: { tuple: TUPLE } } };
    const ask = async (): Promise<boolean[]> => {
      const answers = tenants.map((tenant) =>
        call<read.CheckResponse>(client, ["read", "check"], { ...tenant, tuple: TUPLE }),
      );
      return (await Promise.all(answers)).map(({ allowed }) => allowed);
    };
    for (let round = 0; round < 3; round++) {
      for (const [operation, allowed] of [
        [createTuple(), true],
        [remove, false],
      ] as const) {
        const request = { ...tenants[0]!, transaction: transaction([operation]), prove: false };
        await call(client, ["write", "write"], request);
        expect(await ask()).toEqual([allowed, false]);
        expect(await ask()).toEqual([allowed, false]);
      }
    }
  });

  // INV-NODE-1
  it("is ready when its port is open, and says so by health and over HTTP", async () => {
    const node = await start(temporaryDirectory());
    const health = await send(
      connect(node.grpcAddress),
      "/grpc.health.v1.Health/Check",
      wireText(1, "authledger.v1.ReadService"),
    );
    expect(wireNumber(health, 1)).toBe(1);
    for (const path of ["livez", "readyz"]) {
      const answer = await fetch(`http://${node.httpAddress}/${path}`);
      expect([answer.status, await answer.text()]).toEqual([200, "ok\n"]);
    }
    expect((await fetch(`http://${node.httpAddress}/nothing`)).status).toBe(404);
  });

  it("counts calls by method and status, and shows figures of the engine", async () => {
    const node = await start(temporaryDirectory());
    const client = connect(node.grpcAddress);
    await createVault(client);
    await failureOf(call(client, ["admin", "getOrganization"], { organization: 5n }));
    const text = await (await fetch(`http://${node.httpAddress}/metrics`)).text();
    expect(text).toContain('authledger_rpc_total{method="AdminService/createVault",code="OK"} 1\n');
    expect(text).toContain(
      'authledger_rpc_total{method="AdminService/getOrganization",code="NOT_FOUND"} 1\n',
    );
    expect(text).toMatch(/^authledger_applied_index [1-9]/m);
    expect(text).toContain("process_resident_memory_bytes");
  });

  it("shows how long its event loop was held", async () => {
    const node = await start(temporaryDirectory());
    const untilMs = performance.now() + 120;
    while (performance.now() < untilMs);
    await new Promise((resolve) => setTimeout(resolve, 25));
    const text = await (await fetch(`http://${node.httpAddress}/metrics`)).text();
    const [, worst] = /^authledger_event_loop_delay_max_seconds (\S+)$/m.exec(text)!;
    expect(Number(worst)).toBeGreaterThan(0.09);
    const [, upTo50] = /^authledger_event_loop_delay_seconds_bucket\{le="0.05"\} (\d+)$/m.exec(
      text,
    )!;
    const [, all] = /^authledger_event_loop_delay_seconds_count (\d+)$/m.exec(text)!;
    expect(Number(all)).toBeGreaterThan(Number(upTo50));
  });

  it("refuses a data directory that another node uses", async () => {
    const data = temporaryDirectory();
    await start(data);
    expect((await rejectedBy(start(data))).code).toBe("DATA_DIR_IN_USE");
  });

  it("that cannot have its port says which, and gives the data directory back", async () => {
    const other = await start(temporaryDirectory());
    const data = temporaryDirectory();
    for (const [field, taken] of [
      ["listen", other.grpcAddress],
      ["http", other.httpAddress],
    ] as const) {
      const error = await rejectedBy(start(data, { [field]: taken }));
      expect([error.code, error.details["address"]]).toEqual(["USAGE", taken]);
    }
    await start(data);
  });

  it("stops although a client holds its connection and watches its health", async () => {
    const node = await start(temporaryDirectory(), { shutdownGrace: 5_000 });
    const client = new Client(node.grpcAddress, credentials.createInsecure());
    onTestFinished(() => client.close());
    const stream = client.makeServerStreamRequest(
      "/grpc.health.v1.Health/Watch",
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      wireText(1, ""),
    );
    stream.on("error", () => undefined);
    const statuses: number[] = [];
    stream.on("data", (bytes: Buffer) => statuses.push(wireNumber(bytes, 1)));
    await new Promise<void>((resolve) => stream.once("data", () => resolve()));
    const begin = performance.now();
    await node.close();
    expect(performance.now() - begin).toBeLessThan(4_000);
    expect(statuses).toEqual([1, 2]);
    expect(
      (await errorOf(send(client, "/x", new Uint8Array(), { deadlineMs: 500 }))).code,
    ).not.toBe(0);
  });

  it("takes a message at the limit and refuses one above it", async () => {
    const node = await start(temporaryDirectory());
    const client = connect(node.grpcAddress);
    const { path } = methodOf("admin", "getNodeInfo");
    const padded = (bytes: number): Buffer => {
      // An unknown field that fills the message.
      const field = Buffer.alloc(bytes);
      const length = bytes - 6;
      field.set([0x7a, (length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80]);
      field.set([((length >> 14) & 0x7f) | 0x80, ((length >> 21) & 0x7f) | 0x80, length >> 28], 3);
      return field;
    };
    const limit = 8 * 1024 * 1024;
    expect((await send(client, path, padded(limit))).length).toBeGreaterThan(0);
    expect((await errorOf(send(client, path, padded(limit + 1)))).code).toBe(8);
  });
});
