/** Addresses: what is one, what is none, and that joining undoes splitting. */
import { expect, it } from "vitest";
import { joinAddress, splitAddress } from "../../src/index.js";

it("host:port is split at its last colon, and joined again", () => {
  for (const [text, host, port] of [
    ["127.0.0.1:7400", "127.0.0.1", 7400],
    ["localhost:0", "localhost", 0],
    ["node-1.example:65535", "node-1.example", 65_535],
    ["[::1]:7400", "::1", 7400],
    ["[fe80::1.2.3.4]:80", "fe80::1.2.3.4", 80],
  ] as const) {
    expect(splitAddress(text)).toEqual({ host, port });
    expect(joinAddress({ host, port })).toBe(text);
  }
});

it("what is not host:port is told apart", () => {
  for (const text of [
    ...["", ":", "host", ":7400", "host:", "host:x", "host:65536", "host:123456", "::1:7400"],
    ...["[]:1", "[host]:1", "a b:1", "http://host:1", "host:1/path", "[::1]7400", "host:-1"],
    `${"h".repeat(254)}:1`,
  ]) {
    expect([text, splitAddress(text)]).toEqual([text, undefined]);
  }
});
