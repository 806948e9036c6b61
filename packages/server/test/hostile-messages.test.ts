/** Messages that are made to hurt: each gets a typed error, and the node goes on. */
import { describe, expect, test } from "vitest";
import { call, failureOf, type Harness, methodOf, send, startHarness } from "./support/harness.js";
import { TUPLE } from "./support/requests.js";

const MiB = 1024 * 1024;
const PATHS = [
  methodOf("read", "check").path,
  methodOf("read", "batchCheck").path,
  methodOf("write", "batchWrite").path,
  methodOf("admin", "createVault").path,
];

async function goesOn(h: Harness): Promise<void> {
  await call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE });
  expect(h.bugs).toEqual([]);
}

describe("a hostile message", () => {
  // Tag of an unknown field 99 as a group that begins: 0x9b 0x06.
  const begins = Uint8Array.of(0x9b, 0x06);

  test.each(PATHS)("of a million groups, one in the other, is malformed: %s", async (path) => {
    const h = await startHarness();
    const bytes = Buffer.alloc(2 * MiB, begins);
    const { details } = await failureOf(send(h.client, path, bytes));
    expect(details.code).toBe("MALFORMED_MESSAGE");
    expect(details.message.length).toBeLessThanOrEqual(512);
    await goesOn(h);
  });

  test("of a field that is longer than the message is malformed", async () => {
    const h = await startHarness();
    for (const bytes of ["1affffffff0f", "1a05", "ffffffffffffffffffff01", "08"]) {
      const { details } = await failureOf(send(h.client, PATHS[1]!, Buffer.from(bytes, "hex")));
      expect(details.code).toBe("MALFORMED_MESSAGE");
    }
    await goesOn(h);
  });

  test("of a hundred thousand empty parts is refused by their number", async () => {
    const h = await startHarness();
    // organization 1, vault 1, and tuples without anything in them.
    const head = Buffer.from("08011001", "hex");
    const bytes = Buffer.concat([head, Buffer.alloc(200_000, Uint8Array.of(0x1a, 0x00))]);
    const { details } = await failureOf(send(h.client, PATHS[1]!, bytes));
    expect(details.code).toBe("LIMIT_EXCEEDED");
    expect(details.context["actual"]).toBe("100000");
    await goesOn(h);
  });

  test("beyond the limit of a message is refused before it is taken in", async () => {
    const h = await startHarness();
    const refused = send(h.client, PATHS[0]!, Buffer.alloc(9 * MiB));
    await expect(refused).rejects.toMatchObject({ code: 8 });
    await goesOn(h);
  });
});
