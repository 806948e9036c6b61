import {
  ERROR_TABLE,
  type ErrorCode,
  ExitCode,
  errorFamily,
  GrpcStatus,
  isErrorCode,
  LedgerError,
} from "@authledger/types";
import { describe, expect, it } from "vitest";

const codes = Object.keys(ERROR_TABLE) as ErrorCode[];
const rows = codes.map((code) => ({ code, ...ERROR_TABLE[code] }));
const RANGES = {
  storage: [1000, 1199],
  consensus: [2000, 2199],
  application: [3000, 3299],
} as const;

describe("the table of errors (L-29 to L-31)", () => {
  it("has at least the 29 errors of the feature list", () => {
    expect(codes.length).toBeGreaterThanOrEqual(29);
  });

  it("gives each error a number of its own, in ascending order", () => {
    const numbers = rows.map((row) => row.number);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  it.each(rows)("$code lies in the range of its family", ({ code, number }) => {
    const [from, to] = RANGES[errorFamily(code)];
    expect(number).toBeGreaterThanOrEqual(from);
    expect(number).toBeLessThanOrEqual(to);
  });

  it.each(rows)("$code says in sentences what happened and what to do", ({ summary, action }) => {
    for (const text of [summary, action]) {
      expect(text).toMatch(/^[A-Z].*\.$/);
      expect(text).toMatch(/^[\x20-\x7e]+$/);
    }
    expect(action).not.toBe(summary);
  });

  it.each(rows)(
    "$code has a stable name, a gRPC status, an HTTP status and an exit code",
    (row) => {
      expect(row.code).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
      expect(GrpcStatus[row.grpc]).toBeGreaterThan(GrpcStatus.OK);
      expect(row.http).toBeGreaterThanOrEqual(400);
      expect(row.http).toBeLessThan(600);
      expect(ExitCode[row.exit]).toBeGreaterThan(ExitCode.DENIED);
      expect(["never", "safe", "with-key"]).toContain(row.retry);
    },
  );

  it("blames the caller exactly where HTTP does: 4xx with USAGE, NOT_FOUND or CONFLICT", () => {
    for (const row of rows.filter(({ exit }) => exit === "USAGE" || exit === "NOT_FOUND")) {
      expect([row.code, row.http === 501 || (row.http >= 400 && row.http < 500)]).toEqual([
        row.code,
        true,
      ]);
    }
  });

  it("a retry is never advised for damage, misuse or a failed verification that stays", () => {
    for (const row of rows.filter(({ exit }) => ["CORRUPTED", "USAGE", "BUG"].includes(exit))) {
      expect([row.code, row.retry]).toEqual([row.code, "never"]);
    }
  });

  it("gRPC says UNAVAILABLE only where a retry can help", () => {
    for (const row of rows.filter(({ grpc }) => grpc === "UNAVAILABLE")) {
      expect([row.code, row.retry]).not.toEqual([row.code, "never"]);
    }
  });

  it("is asked by name without being fooled by names of Object.prototype", () => {
    expect(codes.every(isErrorCode)).toBe(true);
    for (const text of ["", "toString", "__proto__", "constructor", "disk_full"]) {
      expect(isErrorCode(text)).toBe(false);
    }
  });
});

describe("gRPC status numbers", () => {
  it("are the published ones", () => {
    expect(Object.values(GrpcStatus)).toEqual(Array.from({ length: 17 }, (_, i) => i));
    expect([GrpcStatus.INVALID_ARGUMENT, GrpcStatus.NOT_FOUND, GrpcStatus.UNAVAILABLE]).toEqual([
      3, 5, 14,
    ]);
    expect([GrpcStatus.DATA_LOSS, GrpcStatus.UNAUTHENTICATED]).toEqual([15, 16]);
  });
});

describe("LedgerError", () => {
  it("carries code, details, cause, retry time and where it was made (L-30)", () => {
    const cause = new Error("EIO");
    const error = new LedgerError("OVERLOADED", "the write queue is full", {
      details: { queue: "write", limit: 10 },
      cause,
      retryAfterMs: 25,
    });
    expect(error.cause).toBe(cause);
    expect(error.retryAfterMs).toBe(25);
    expect(error.details).toEqual({ queue: "write", limit: 10 });
    expect(error.row).toBe(ERROR_TABLE.OVERLOADED);
    expect(error.stack).toContain("error-table.test.ts");
    expect(error.name).toBe("LedgerError");
  });

  it("has no cause where none was given", () => {
    expect(Object.hasOwn(new LedgerError("INTERNAL", "x"), "cause")).toBe(false);
  });

  it("advises with what happened and what to do", () => {
    expect(new LedgerError("DISK_FULL", "cannot write /data/x: ENOSPC").advice).toBe(
      `cannot write /data/x: ENOSPC. ${ERROR_TABLE.DISK_FULL.action}`,
    );
  });

  it("is what anything thrown becomes, and keeps it as the cause", () => {
    const known = new LedgerError("DISK_FULL", "full");
    expect(LedgerError.from(known)).toBe(known);
    const nameless: unknown = Object.create(null);
    for (const thrown of [
      new TypeError("boom"),
      "boom",
      7,
      undefined,
      null,
      Symbol("s"),
      nameless,
    ]) {
      const error = LedgerError.from(thrown);
      expect([error.code, error.cause]).toEqual(["INTERNAL", thrown]);
      expect(error.message.length).toBeGreaterThan(0);
    }
  });
});
