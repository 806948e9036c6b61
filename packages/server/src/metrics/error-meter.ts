/** Counts calls that failed by the code of their error, and calls that were passed on to the leader. */
import { LedgerError } from "@authledger/types";
import { Counter, type Registry } from "prom-client";
import type { CallObserver } from "../gate/gate.js";
import type { GatedCall } from "../gate/gated-call.js";
import { ForeignError } from "../grpc-error.js";

export class ErrorMeter implements CallObserver {
  readonly #codes = new Map<string, number>();
  #passedOn = 0;

  ended({ error, wasPassedOn }: GatedCall): void {
    if (wasPassedOn) this.#passedOn++;
    if (error === undefined) return;
    const isKnown = error instanceof LedgerError || error instanceof ForeignError;
    const code = isKnown ? error.code : "INTERNAL";
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
  }

  register(registry: Registry): void {
    const codes = this.#codes;
    const passedOn = (): number => this.#passedOn;
    new Counter({
      name: "authledger_errors_total",
      help: "Calls that failed, by the code of their error (docs/errors.md).",
      labelNames: ["error"],
      registers: [registry],
      collect() {
        this.reset();
        for (const [error, count] of codes) this.inc({ error }, count);
      },
    });
    new Counter({
      name: "authledger_forwarded_total",
      help: "Calls that this node passed on to the leader.",
      registers: [registry],
      collect() {
        this.reset();
        this.inc(passedOn());
      },
    });
  }
}
