/**
 * The node's limit and that of each client. A client is its principal or, where nobody is authenticated, its address. What
 * an organization may do is checked after the roles (organization-step.ts): else who may not call it could use it up.
 *
 *   INV-RATE-4  A call that is refused takes nothing from any bucket, and is told when the same call would pass.
 */
import { LedgerError } from "@authledger/types";
import type { GateStep } from "../gate/gate.js";
import type { GatedCall } from "../gate/gated-call.js";
import type { MethodInfo } from "../gate/method.js";
import { Buckets, BucketTable } from "./bucket-table.js";
import { type Charge, chargeOf } from "./costs.js";
import type { RateLimits } from "./protection-config.js";
import type { Refusals } from "./refusals.js";
import { type Rate, taken, waitMs } from "./token-bucket.js";

export interface RateStepDeps {
  /** The limits as they are now. */
  readonly limits: () => RateLimits;
  readonly refusals: Refusals;
}

export class RateStep implements GateStep {
  readonly #deps: RateStepDeps;
  readonly #charges = new Map<MethodInfo, Charge>();
  readonly #node = new Buckets();
  readonly #clients = new BucketTable<string>();

  constructor(deps: RateStepDeps) {
    this.#deps = deps;
  }

  /** @throws LedgerError RATE_LIMITED */
  enter(call: GatedCall): void {
    const charge = this.#chargeOf(call.method);
    const isWrite = charge.kind === "write";
    const units = charge.units(call.message);
    call.charge = charge;
    call.units = units;
    const { node, client } = this.#deps.limits();
    const nodeRate = isWrite ? node.writes : node.reads;
    const clientRate = isWrite ? client.writes : client.reads;
    const isOfNode = nodeRate.perSecond > 0 && !charge.isReserved;
    const clientKey = clientRate.perSecond > 0 ? clientOf(call) : undefined;
    if (!isOfNode && clientKey === undefined) return;
    const nowMs = performance.now();
    const field = isWrite ? "writes" : "reads";
    const buckets = clientKey === undefined ? undefined : this.#clients.of(clientKey);
    if (buckets !== undefined) this.#require("client", buckets[field], clientRate, call, nowMs);
    if (isOfNode) {
      this.#require("node", this.#node[field], nodeRate, call, nowMs);
      this.#node[field] = taken(this.#node[field], nodeRate, units, nowMs);
    }
    if (buckets !== undefined) buckets[field] = taken(buckets[field], clientRate, units, nowMs);
  }

  #require(
    tier: "client" | "node",
    fullAtMs: number,
    rate: Rate,
    call: GatedCall,
    nowMs: number,
  ): void {
    const wait = waitMs(fullAtMs, rate, call.units, nowMs);
    if (wait === 0) return;
    this.#deps.refusals.count(tier === "client" ? "rate_client" : "rate_node");
    throw rateLimited({ tier, rate, call, wait });
  }

  #chargeOf(method: MethodInfo): Charge {
    const known = this.#charges.get(method);
    if (known !== undefined) return known;
    const made = chargeOf(method);
    this.#charges.set(method, made);
    return made;
  }
}

export interface LimitedCall {
  readonly tier: "client" | "node" | "organization";
  readonly rate: Rate;
  readonly call: GatedCall;
  /** In milliseconds. */
  readonly wait: number;
}

export function rateLimited({ tier, rate, call, wait }: LimitedCall): LedgerError {
  const kind = call.charge?.kind ?? "read";
  const retryAfterMs = Math.ceil(wait);
  const message = `the limit of this ${tier} is ${rate.perSecond} units of ${kind}s a second, and this call costs ${call.units}: send it again in ${retryAfterMs} ms`;
  return new LedgerError("RATE_LIMITED", message, {
    details: { tier, kind, limit: rate.perSecond, units: call.units },
    retryAfterMs,
  });
}

/** What nobody asked of another node, which vouches for that, has been counted where it arrived. */
function clientOf({ principal, isForwarded, wire }: GatedCall): string | undefined {
  if (principal.kind !== "anonymous") return principal.name;
  if (isForwarded) return undefined;
  const peer = wire.getPeer();
  const port = peer.lastIndexOf(":");
  return port < 0 ? peer : peer.slice(0, port);
}
