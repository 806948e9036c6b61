/**
 * The nodes that a client may ask: those it was given, and those that the cluster has told it of.
 *
 *   INV-SDK-7  A node that fails costs a call only where it is the last one, or nobody knew yet: others are asked first
 *              until it has rested, and it is connected to again behind their backs.
 *   INV-SDK-11  A node that the client was not given is asked only after it has shown that it is of the same cluster.
 */
import { tell } from "../hooks/metrics.js";
import { type ClientOptions, endpointsOf } from "../options.js";
import { Breaker, type BreakerRules } from "./breaker.js";
import { Endpoint } from "./endpoint.js";
import type { Ports } from "./ports.js";
import type { Route } from "./route.js";
import { breakerOf, isBalanced, sourceOf } from "./rules.js";
import { checkMayShowToken, maySend } from "./security.js";

/** What a client remembers of a cluster, whatever it is told. */
const LEARNED_MAX = 32;

/** A node that a cluster named. */
export interface NamedNode {
  readonly nodeId: bigint;
  readonly clientAddress: string;
}

/** Asks a node who it is; false unless it is the one that was named. */
export type Proof = (endpoint: Endpoint, node: NamedNode) => Promise<boolean>;

export class EndpointPool {
  #given: readonly Endpoint[] = [];
  readonly #learned = new Map<string, Endpoint>();
  /** Learned ones that have shown who they are. */
  readonly #proven = new Set<Endpoint>();
  readonly #options: ClientOptions;
  readonly #ports: Ports;
  readonly #breaker: BreakerRules | undefined;
  readonly #isBalanced: boolean;
  /** Of the given ones, the one in use. */
  #current = 0;
  #leaderAddress: string | undefined;
  #replica: Endpoint | undefined;
  #isClosed = false;

  /** @throws LedgerError INVALID_ARGUMENT */
  constructor(options: ClientOptions, ports: Ports) {
    this.#options = options;
    this.#ports = ports;
    this.#breaker = breakerOf(options);
    this.#isBalanced = isBalanced(options);
    checkMayShowToken(options, []);
    if (sourceOf(options) !== undefined) return;
    this.give(endpointsOf(options.endpoints as string | readonly string[]));
  }

  /** How many the client was given. */
  get givenCount(): number {
    return this.#given.length;
  }

  /** Given, and learned from the cluster. */
  get all(): readonly Endpoint[] {
    return [...this.#given, ...this.#proven];
  }

  /** Is there one without a connection, which is being made? */
  get isConnecting(): boolean {
    return this.all.some(({ isReady }) => !isReady);
  }

  /** When the first of the nodes that such a call may go to is tried again, in milliseconds from now. */
  circuitMs(route: Route): number {
    return Math.min(...this.#ring(route).map(({ breaker }) => breaker.waitMs));
  }

  /**
   * The nodes that the client is given; those that it had before keep what is known of them.
   * @throws LedgerError INVALID_ARGUMENT
   */
  give(addresses: readonly string[]): void {
    if (this.#isClosed) return;
    checkMayShowToken(this.#options, addresses);
    const before = new Map(this.#given.map((one) => [one.address, one]));
    const current = this.#given[this.#current];
    this.#given = addresses.map((address) => before.get(address) ?? this.#meetable(address, true));
    this.#current = Math.max(0, current === undefined ? 0 : this.#given.indexOf(current));
    for (const [address, endpoint] of before) {
      if (this.#given.includes(endpoint)) continue;
      if (this.#replica === endpoint) this.#replica = undefined;
      if (this.#leaderAddress === address) this.#leaderAddress = undefined;
      endpoint.close();
    }
    // Options that cannot be used are found before the first call.
    this.current.channel.wake();
  }

  /** The one in use among those that were given. */
  get current(): Endpoint {
    return this.#given[this.#current]!;
  }

  /**
   * Who is asked next: one that has not been `tried`, as long as there is one. Undefined: none may be asked now, their
   * circuits are open.
   */
  pick(route: Route, tried: ReadonlySet<Endpoint>): Endpoint | undefined {
    if (this.#given.length === 1 && this.#proven.size === 0) {
      const [only] = this.#given;
      if (only!.isAllowed) return only;
      only!.channel.wake();
      return undefined;
    }
    const chosen = this.#favourite(route);
    const favourite = chosen?.isAllowed === true ? chosen : undefined;
    if (favourite !== undefined) {
      if (!tried.has(favourite) && isWell(favourite)) return favourite;
      if (!favourite.isResting) favourite.channel.wake();
    }
    const others = this.#ring(route).filter(({ isAllowed }) => isAllowed);
    const ring = favourite === undefined ? others : [favourite, ...others];
    const found =
      (route === "replica" ? this.#betterOfTwo(ring, tried) : undefined) ??
      ring.find((one) => !tried.has(one) && isWell(one)) ??
      ring.find((one) => !tried.has(one) && one.isGiven && !one.isResting) ??
      ring.find((one) => !tried.has(one) && one.isGiven) ??
      ring.find(isWell) ??
      ring.find((one) => one === this.current) ??
      ring[0];
    if (found === undefined) {
      for (const one of this.#ring(route)) one.channel.wake();
      return undefined;
    }
    if (route === "replica") this.#replica = found;
    this.#wakeOthers(found);
    return found;
  }

  /** Is there another one that a call could go to as well? */
  hasOther(endpoint: Endpoint, route: Route): boolean {
    if (route === "node") return false;
    return this.#ring(route).some(
      (one) => one !== endpoint && (isWell(one) || (one.isGiven && !one.isResting)),
    );
  }

  /** A second one for a call that `endpoint` has: ready, and not asked yet. */
  other(endpoint: Endpoint, route: Route, tried: ReadonlySet<Endpoint>): Endpoint | undefined {
    if (route === "node") return undefined;
    return this.#ring(route).find(
      (one) => one !== endpoint && !tried.has(one) && one.isAllowed && isWell(one),
    );
  }

  /** Moves on from an endpoint that failed. A concurrent call may have moved on already. */
  turnFrom(endpoint: Endpoint): void {
    if (this.current === endpoint) this.#current = (this.#current + 1) % this.#given.length;
    if (this.#leaderAddress === endpoint.address) this.#leaderAddress = undefined;
    if (this.#replica === endpoint) this.#replica = undefined;
  }

  /** Whoever said that it does not lead is not asked first any more; a hint says who does. */
  followHint(from: Endpoint, leaderAddress: string | undefined): void {
    if (this.#leaderAddress === from.address) this.#leaderAddress = undefined;
    this.#leaderAddress = leaderAddress ?? this.#leaderAddress;
  }

  /**
   * Takes over what a node says of its cluster. Those that are new are asked who they are before they are used; resolves when the
   * leader was.
   */
  learn(
    nodes: readonly NamedNode[],
    leaderAddress: string | undefined,
    prove: Proof,
  ): Promise<unknown> {
    const given = new Set(this.#given.map(({ address }) => address));
    const named = nodes.filter(({ clientAddress }) => !given.has(clientAddress));
    const addresses = new Set(named.map(({ clientAddress }) => clientAddress));
    for (const [address, endpoint] of this.#learned) {
      if (!addresses.has(address)) this.#forget(address, endpoint);
    }
    let met = Promise.resolve();
    for (const node of named.slice(0, LEARNED_MAX)) {
      const meeting = this.#meet(node, prove);
      if (node.clientAddress === leaderAddress) met = meeting;
    }
    this.#leaderAddress = leaderAddress ?? this.#leaderAddress;
    return met;
  }

  close(): void {
    this.#isClosed = true;
    for (const one of this.#given) one.close();
    for (const one of this.#learned.values()) one.close();
  }

  /** Undefined: nothing speaks for one. */
  #favourite(route: Route): Endpoint | undefined {
    if (route === "replica") return this.#isBalanced ? undefined : this.#replica;
    const leader = route === "leader" ? this.#leaderAddress : undefined;
    return (leader === undefined ? undefined : this.#known(leader)) ?? this.current;
  }

  /** The power of two choices: of two by chance the one that is likely to answer first. */
  #betterOfTwo(ring: readonly Endpoint[], tried: ReadonlySet<Endpoint>): Endpoint | undefined {
    if (!this.#isBalanced) return undefined;
    const well = ring.filter((one) => !tried.has(one) && isWell(one));
    if (well.length < 2) return well[0];
    const i = Math.floor(this.#ports.random() * well.length);
    const j = (i + 1 + Math.floor(this.#ports.random() * (well.length - 1))) % well.length;
    return well[i]!.load <= well[j]!.load ? well[i] : well[j];
  }

  #meetable(address: string, isGiven: boolean): Endpoint {
    const { metrics } = this.#options;
    const breaker = new Breaker(this.#breaker, this.#ports, (state) =>
      tell(() => metrics?.circuitChanged?.({ endpoint: address, state })),
    );
    const around = { options: this.#options, ports: this.#ports, breaker };
    return new Endpoint(address, isGiven, around);
  }

  /** Calls about a node go to the one that the caller named; others from a place on that clients do not share. */
  #ring(route: Route): readonly Endpoint[] {
    const given = [...this.#given.slice(this.#current), ...this.#given.slice(0, this.#current)];
    if (route === "node") return given;
    const all = [...given, ...this.#proven];
    if (route === "leader") return all;
    const start = Math.floor(this.#ports.random() * all.length);
    return [...all.slice(start), ...all.slice(0, start)];
  }

  /** Those that have rested are connected to while nobody waits for it. */
  #wakeOthers(chosen: Endpoint): void {
    if (!isWell(chosen)) return;
    for (const one of [...this.#given, ...this.#proven]) {
      if (one !== chosen && !one.isResting && !one.isReady) one.channel.wake();
    }
  }

  #known(address: string): Endpoint | undefined {
    const given = this.#given.find((one) => one.address === address);
    if (given !== undefined) return given;
    const learned = this.#learned.get(address);
    return learned !== undefined && this.#proven.has(learned) ? learned : undefined;
  }

  async #meet(node: NamedNode, prove: Proof): Promise<void> {
    const { clientAddress: address } = node;
    if (this.#learned.has(address) || this.#isClosed || !maySend(this.#options, address)) return;
    try {
      // A given address is checked when it is used; what a server says is checked here.
      endpointsOf(address);
    } catch {
      return;
    }
    const endpoint = this.#meetable(address, false);
    this.#learned.set(address, endpoint);
    const isOurs = await prove(endpoint, node).catch(() => false);
    if (this.#learned.get(address) !== endpoint) return;
    if (isOurs) this.#proven.add(endpoint);
    else this.#forget(address, endpoint);
  }

  #forget(address: string, endpoint: Endpoint): void {
    this.#learned.delete(address);
    this.#proven.delete(endpoint);
    if (this.#replica === endpoint) this.#replica = undefined;
    endpoint.close();
  }
}

/** Asked now, it will most likely answer. */
function isWell(endpoint: Endpoint): boolean {
  return endpoint.isReady && !endpoint.isResting;
}
