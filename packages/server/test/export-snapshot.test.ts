/** ExportSnapshot: parts as they are, errors with details, and an export that ends with its client. */
import { admin } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { type Harness, startHarness } from "./support/harness.js";

const { path, requestSerialize, responseDeserialize } = admin.AdminServiceService.exportSnapshot;

function exportFrom({ client }: Harness) {
  const request = admin.ExportSnapshotRequest.fromPartial({});
  return client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    request,
    new Metadata(),
  );
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("ExportSnapshot", () => {
  it("sends the engine's parts in order and ends the export (INV-EXPORT-2)", async () => {
    const harness = await startHarness();
    harness.engine.exportParts = [1, 2, 3].map((n) => new Uint8Array(100_000).fill(n));
    const seen: number[] = [];
    for await (const { chunk } of exportFrom(harness)) seen.push(chunk.length, chunk[0]!);
    expect(seen).toEqual([100_000, 1, 100_000, 2, 100_000, 3]);
    expect(harness.engine.exportEnds).toBe(1);
  });

  it("ends the export of a client that goes away, and asks for no more than it takes", async () => {
    const harness = await startHarness();
    harness.engine.exportParts = Array.from({ length: 1_000 }, () => new Uint8Array(256 * 1024));
    const call = exportFrom(harness);
    call.on("error", () => undefined);
    for await (const _ of call) break;
    call.cancel();
    await until(() => harness.engine.exportEnds === 1);
    expect(harness.engine.requests("export_next").length).toBeLessThan(200);
  });

  it("tells why it cannot begin", async () => {
    const harness = await startHarness();
    const failure = new LedgerError("PIN_LIMIT", "2 export views are open, the limit is 2");
    harness.engine.failure = { call: "export_begin", error: failure };
    const call = exportFrom(harness);
    const told = await new Promise<ServiceError>((resolve) => {
      call.on("error", (failed: ServiceError) => resolve(failed));
      call.resume();
    });
    expect(told.details).toContain("2 export views are open");
  });
});
