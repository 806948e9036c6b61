/** Watches of callers who lose their rights while they watch. */
import { decodeErrorDetails, iam, read } from "@authledger/proto";
import { type ClientReadableStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import { afterEach, describe, expect, test, vi } from "vitest";
import { GatedCall } from "../../src/gate/gated-call.js";
import { OpenCalls, RECHECK_MS, RECHECK_SOON_MS } from "../../src/gate/open-calls.js";
import { as, startTenants } from "../support/tenants.js";

afterEach(() => vi.useRealTimers());

describe("a call that stays open", () => {
  test("INV-GATE-3: ends with PERMISSION_DENIED soon after the role of its caller was taken away, and no other does", async () => {
    const t = await startTenants();
    const { path, requestSerialize, responseDeserialize } = read.ReadServiceService.watchBlocks;
    const watch = (who: string): { ended: Promise<ServiceError>; isOver: () => boolean } => {
      const request = read.WatchBlocksRequest.fromPartial(t.acme);
      const stream: ClientReadableStream<unknown> = t.client.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        as(who).metadata,
        {},
      );
      let isOver = false;
      const ended = new Promise<ServiceError>((resolve) => {
        stream.on("error", (error) => {
          isOver = true;
          resolve(error as ServiceError);
        });
      });
      stream.resume();
      return { ended, isOver: () => isOver };
    };
    for (const name of ["user:ann", "user:bob"]) await t.grant(name, iam.Role.ROLE_READER, t.acme);
    const [ann, bob] = [watch("user:ann"), watch("user:bob")];
    await expect.poll(() => t.gate.open.count).toBe(2);
    await t.revoke("user:ann", iam.Role.ROLE_READER, t.acme);
    const error = await ann.ended;
    const details = decodeErrorDetails(error.metadata.get("grpc-status-details-bin")[0] as Buffer);
    expect(details?.code).toBe("PERMISSION_DENIED");
    expect(bob.isOver()).toBe(false);
    expect(t.gate.open.count).toBe(1);
  });

  test("is asked about at least each minute, and once for changes that come together", async () => {
    vi.useFakeTimers();
    let asked = 0;
    const open = new OpenCalls(() => {
      asked++;
      return Promise.resolve();
    });
    const wire = { metadata: new Metadata(), request: {}, getPeer: () => "", getDeadline: () => 0 };
    const method = { path: "/p", service: "S", name: "m", isStream: true };
    const leave = open.add(new GatedCall(method, wire, 0), () => undefined);
    await vi.advanceTimersByTimeAsync(RECHECK_MS);
    expect(asked).toBe(1);
    for (let i = 0; i < 3; i++) open.recheckSoon();
    await vi.advanceTimersByTimeAsync(RECHECK_SOON_MS);
    expect(asked).toBe(2);
    leave();
    await vi.advanceTimersByTimeAsync(2 * RECHECK_MS);
    expect([asked, open.count, vi.getTimerCount()]).toEqual([2, 0, 0]);
  });
});
