/**
 * How a simulated client reaches the nodes: a request and its answer take time, an answer may be lost, a node may be down or
 * die meanwhile. A client follows the leader as the SDK does and sends an unanswered request again.
 */
import type { EngineCall, EngineReply, EngineRequest } from "@authledger/engine";
import { ERROR_TABLE, type ErrorCode, errorFamily, LedgerError } from "@authledger/types";
import type { FaultPlan } from "../world/fault-plan.js";
import { type ClusterFault, type ClusterSettings, faultIndex } from "./cluster-settings.js";
import type { EventLoop } from "./event-loop.js";
import type { EventTrace } from "./event-trace.js";
import type { Machine } from "./machine.js";

/** Before what must be done is tried again. */
const SURE_PAUSE_MS = 80;
/** A client gives an attempt up after so long. */
const ATTEMPT_MS = 800;
const ROUND_TRIP_MS_MAX = 0.6;

/** What became of one attempt. `unknown`: a write may happen at any later time. */
export type Attempt<R> =
  | { readonly kind: "answered"; readonly reply: R; readonly machine: Machine }
  | { readonly kind: "refused"; readonly error: LedgerError }
  | { readonly kind: "unknown"; readonly why: string };

export interface ClientWorld {
  readonly settings: ClusterSettings;
  readonly loop: EventLoop;
  readonly trace: EventTrace;
  readonly plan: FaultPlan<ClusterFault>;
  readonly machines: readonly Machine[];
  /** No answer is lost any more. */
  readonly isCalm: () => boolean;
  /** A number in [0, 1). */
  readonly fraction: () => number;
}

export class ClientCalls {
  readonly #world: ClientWorld;
  #leader: Machine | undefined;

  constructor(world: ClientWorld) {
    this.#world = world;
  }

  /** The node that is thought to lead, else any. */
  get leader(): Machine {
    this.#leader ??= this.any();
    return this.#leader;
  }

  any(): Machine {
    const { machines, fraction } = this.#world;
    return machines[Math.floor(fraction() * machines.length)]!;
  }

  async attempt<C extends EngineCall>(
    machine: Machine,
    call: C,
    request: EngineRequest<C>,
  ): Promise<Attempt<EngineReply<C>>> {
    const { loop, fraction } = this.#world;
    await loop.sleep((fraction() * ROUND_TRIP_MS_MAX) / 2);
    const asked: Promise<Attempt<EngineReply<C>>> = machine.call(call, request).then(
      (reply): Attempt<EngineReply<C>> => ({ kind: "answered", reply, machine }),
      (error: unknown) => this.#failed(machine, LedgerError.from(error)),
    );
    const isLost = this.#isLost();
    const tooLate = loop
      .sleep(ATTEMPT_MS)
      .then((): Attempt<EngineReply<C>> => ({ kind: "unknown", why: "timeout" }));
    const attempt = await Promise.race([asked, tooLate]);
    if (attempt.kind === "unknown" && attempt.why === "timeout") this.#forget(machine);
    await loop.sleep((fraction() * ROUND_TRIP_MS_MAX) / 2);
    return isLost ? { kind: "unknown", why: "the answer was lost" } : attempt;
  }

  /** Asks until it is answered: for what does no harm when it is done twice. Undefined when it was stopped meanwhile. */
  async sure<C extends EngineCall>(
    call: C,
    request: EngineRequest<C>,
    isStopped: () => boolean,
  ): Promise<EngineReply<C> | undefined> {
    while (!isStopped()) {
      const attempt = await this.attempt(this.leader, call, request);
      if (attempt.kind === "answered") return attempt.reply;
      const why = attempt.kind === "refused" ? attempt.error.message : attempt.why;
      this.#world.trace.note("steward", `${call}: ${why}`);
      await this.#world.loop.sleep(SURE_PAUSE_MS);
    }
    return undefined;
  }

  #isLost(): boolean {
    const { plan, settings, isCalm } = this.#world;
    const kind = faultIndex("lost-reply");
    return !isCalm() && plan.strikes(kind, settings.faults.get("lost-reply") ?? 0);
  }

  /** Whether an error means that nothing happened is in the table of errors. */
  #failed(machine: Machine, error: LedgerError): Attempt<never> {
    this.#forget(machine);
    if (error.code === "NOT_LEADER") {
      const { clientAddress } = error.details;
      this.#leader = this.#world.machines.find(
        ({ name }) => typeof clientAddress === "string" && clientAddress.startsWith(`${name}.`),
      );
    }
    if (isCertain(error)) return { kind: "refused", error };
    return { kind: "unknown", why: error.code };
  }

  #forget(machine: Machine): void {
    if (this.#leader === machine) this.#leader = undefined;
  }
}

/** Nothing was written, and nothing will be: refused before it was proposed, or when it was applied. */
export function isCertain({ code }: { readonly code: ErrorCode }): boolean {
  const { retry } = ERROR_TABLE[code];
  return retry === "safe" || (retry === "never" && errorFamily(code) === "application");
}
