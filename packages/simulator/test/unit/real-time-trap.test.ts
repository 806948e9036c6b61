/** Real time and randomness are out of reach while virtual time runs. */
import { expect, it } from "vitest";
import { withoutRealTime } from "../../src/cluster/real-time-trap.js";

it("INV-SIM-29: real time, timers and randomness throw in a simulated run, and work again behind it", async () => {
  const calls: (() => unknown)[] = [
    () => Date.now(),
    () => performance.now(),
    () => Math.random(),
    () => setTimeout(() => undefined, 0),
    () => setInterval(() => undefined, 0),
  ];
  const outcomes = await withoutRealTime(async () =>
    calls.map((call) => {
      try {
        call();
        return "went on";
      } catch (error) {
        return (error as Error).message.split(":", 1)[0];
      }
    }),
  );
  expect(outcomes).toEqual(calls.map(() => "INV-SIM-29"));
  expect([Date.now(), performance.now(), Math.random()]).toEqual(
    calls.slice(0, 3).map(() => expect.any(Number)),
  );
  await expect(withoutRealTime(() => Promise.reject(new Error("over")))).rejects.toThrow("over");
  expect(Date.now()).toBeGreaterThan(0);
});
