/** What protects a node: its limits as they are now, and the steps of the gate that hold them. */
import { Gauge, type Registry } from "prom-client";
import { Connections } from "../connections.js";
import type { CallObserver, GateStep } from "../gate/gate.js";
import type { Quotas } from "../quota/quotas.js";
import { type HotKey, HotKeys } from "./hot-keys.js";
import { OrganizationStep } from "./organization-step.js";
import { OverloadGuard } from "./overload-guard.js";
import {
  type ProtectionSettings,
  type RateLimits,
  rateLimitsOf,
  type TierRates,
} from "./protection-config.js";
import { RateStep } from "./rate-step.js";
import { Refusals } from "./refusals.js";
import { StreamLimits } from "./stream-limits.js";
import { WriteLimiter } from "./write-limiter.js";

export interface ProtectionOptions {
  readonly streamsPerConnection: number;
  readonly connectionsMax: number;
  /** Told of keys that are asked for very often. */
  readonly onHotKey?: (hot: HotKey) => void;
  /** Of organizations; without them the configured rates hold for each. */
  readonly quotas?: Pick<Quotas, "of">;
  /** Others than its own. */
  readonly connections?: Connections;
}

export class Protection {
  readonly refusals: Refusals = new Refusals();
  /** Before the roles are asked. */
  readonly rate: GateStep;
  /** After they have let a call pass. */
  readonly organization: GateStep;
  readonly writes: WriteLimiter;
  readonly connections: Connections;
  readonly streamLimits: StreamLimits;
  readonly overload: OverloadGuard;
  readonly hotKeys: HotKeys;
  readonly #settings: () => ProtectionSettings;
  #limits: { readonly of: ProtectionSettings; readonly limits: RateLimits };

  /** @param settings as they are now: another object when something changed */
  constructor(settings: () => ProtectionSettings, options: ProtectionOptions) {
    const { refusals } = this;
    this.connections = options.connections ?? new Connections(options);
    this.streamLimits = new StreamLimits(options.streamsPerConnection);
    this.writes = new WriteLimiter({ settings, refusals });
    this.hotKeys = new HotKeys({
      hotRate: () => settings().hotKeyRate,
      onHot: (hot) => options.onHotKey?.(hot),
      nowMs: () => performance.now(),
      random: Math.random,
    });
    this.overload = new OverloadGuard({
      ...{ refusals, connections: this.connections },
      turnMs: () => settings().overloadTurn,
      onOverload: (isOverloaded) => {
        this.streamLimits.isOverloaded = isOverloaded;
      },
      nowMs: () => performance.now(),
      afterTurn: setImmediate,
      random: Math.random,
    });
    this.#settings = settings;
    this.#limits = { of: settings(), limits: rateLimitsOf(settings()) };
    this.rate = new RateStep({ limits: () => this.#now(), refusals });
    const { quotas } = options;
    const ratesOf = (organization: bigint) => {
      const configured = this.organizationRates;
      return quotas === undefined ? configured : quotas.of(organization, configured).rates;
    };
    this.organization = new OrganizationStep({ ratesOf, refusals });
  }

  get observers(): readonly CallObserver[] {
    return [this.writes, this.hotKeys];
  }

  /** Before the roles are asked; `organization` comes behind them. */
  get steps(): readonly GateStep[] {
    return [this.rate, this.writes];
  }

  /** Of organizations without a quota. */
  get organizationRates(): TierRates {
    return this.#now().organization;
  }

  /** What the frames and the server need. */
  get parts(): Pick<Protection, "connections" | "overload" | "streamLimits"> {
    const { connections, overload, streamLimits } = this;
    return { connections, overload, streamLimits };
  }

  register(registry: Registry): void {
    this.refusals.register(registry);
    const gauges: readonly [string, string, () => number][] = [
      [
        "overloaded",
        "1 while more calls arrive than can be answered.",
        () => Number(this.overload.isOverloaded),
      ],
      ["connections", "Connections of clients.", () => this.connections.count],
      [
        "connections_held",
        "Connections that are not read for a while.",
        () => this.connections.heldCount,
      ],
      [
        "connection_calls_max",
        "Calls that a connection may have at once.",
        () => this.streamLimits.limit,
      ],
      ["writes_limit", "Writes that may be on their way at once.", () => this.writes.limit],
      [
        "hot_keys",
        "Keys that are asked for or written very often now.",
        () => this.hotKeys.top.length,
      ],
      ["writes_in_flight", "Writes that are on their way.", () => this.writes.inFlight],
    ];
    for (const [name, help, read] of gauges) {
      new Gauge({
        name: `authledger_${name}`,
        help,
        registers: [registry],
        collect() {
          this.set(read());
        },
      });
    }
  }

  #now(): RateLimits {
    const of = this.#settings();
    if (this.#limits.of !== of) this.#limits = { of, limits: rateLimitsOf(of) };
    return this.#limits.limits;
  }
}
