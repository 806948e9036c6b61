/** What holds the event loop of a node. */
import { Registry } from "prom-client";
import { expect, it, onTestFinished } from "vitest";
import { LoopDelay } from "../src/loop-delay.js";

async function hold(ms: number): Promise<void> {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
  await new Promise((resolve) => setTimeout(resolve, 30));
}

it("is counted, its longest time is kept, and what puts a leadership at risk is told, not too often", async () => {
  const told: number[] = [];
  const delay = new LoopDelay((ms) => told.push(ms));
  onTestFinished(() => delay.stop());
  const registry = new Registry();
  delay.register(registry);
  await hold(260);
  await hold(230);
  expect(told).toHaveLength(1);
  expect(told[0]).toBeGreaterThan(200);
  expect(delay.maxMs).toBeGreaterThanOrEqual(told[0]!);
  const text = await registry.metrics();
  const [, upTo200] = /delay_seconds_bucket\{le="0.2"\} (\d+)/.exec(text)!;
  const [, all] = /delay_seconds_count (\d+)/.exec(text)!;
  expect(Number(all) - Number(upTo200)).toBeGreaterThanOrEqual(2);
});
