/** How many calls were refused to protect the node, by reason. The reasons are a fixed set: no key or client is a label. */
import { Counter, type Registry } from "prom-client";

const REASONS = [
  "rate_node",
  "rate_client",
  "rate_organization",
  "quota_vaults",
  "quota_bytes",
  "overload_turn",
  "overload_writes",
  "deadline_short",
] as const;
export type RefusalReason = (typeof REASONS)[number];

export class Refusals {
  readonly #counts: Record<RefusalReason, number>;

  constructor() {
    this.#counts = Object.fromEntries(REASONS.map((reason) => [reason, 0])) as Record<
      RefusalReason,
      number
    >;
  }

  count(reason: RefusalReason): void {
    this.#counts[reason]++;
  }

  of(reason: RefusalReason): number {
    return this.#counts[reason];
  }

  register(registry: Registry): void {
    const counts = this.#counts;
    new Counter({
      name: "authledger_refused_total",
      help: "Calls refused to protect the node or its tenants, by reason.",
      labelNames: ["reason"],
      registers: [registry],
      collect() {
        this.reset();
        for (const reason of REASONS) this.inc({ reason }, counts[reason]);
      },
    });
  }
}
