import { expect, it } from "vitest";
import { dropTlsNameWarning } from "../../src/run/tls-name-warning.js";

it("Node's warning of TLS to an address is left out, every other one is told as it came", () => {
  const told: unknown[][] = [];
  const emitter = { emitWarning: (...given: unknown[]) => void told.push(given) };
  dropTlsNameWarning(emitter);
  emitter.emitWarning("Setting the TLS ServerName ...", "DeprecationWarning", "DEP0123");
  emitter.emitWarning("other", "DeprecationWarning", "DEP0124");
  emitter.emitWarning("plain");
  expect(told).toEqual([["other", "DeprecationWarning", "DEP0124"], ["plain"]]);
});
