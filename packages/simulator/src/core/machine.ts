/**
 * One machine of a run: a place on the network, a disk, and at times a node that runs there. A node that is formatted
 * anew gets another id; what the old one had is kept for the judge.
 */
import type { Membership } from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import type { Core } from "./core-module.js";
import { DurableLog, type LogImage } from "./durable-log.js";
import { FOUNDING, type JudgedNode } from "./judge.js";

/** A state as the owner keeps it: what it has applied, and who the members are then. */
export interface AppliedState {
  readonly index: number;
  readonly membership: Membership;
}

/** A proposal that waits for its entry to be applied. */
export interface OpenProposal {
  readonly operation: number;
  readonly term: number;
}

const NOBODY: Membership = {
  voters: [],
  learners: [],
  outgoing: [],
  learnersNext: [],
  autoLeave: false,
};

/** Room for so many machines below the number of the format in an id. */
const MACHINES_MAX = 16;

export class Machine implements JudgedNode {
  readonly slot: number;
  id: NodeId;
  /** How often it was formatted. */
  format = 0;
  log: DurableLog = new DurableLog();
  core: Core | undefined = undefined;
  /** Raised by every start and crash: what was meant for a former life is void. */
  life = 0;
  /** Removed from the group, and it knows: it does not start again under this id. */
  isRetired = false;

  /** The state in memory. */
  state: AppliedState = { index: 0, membership: NOBODY };
  /** The states that a start may find: the newest durable one, and the one before. */
  newest: AppliedState = this.state;
  older: AppliedState = this.state;
  toApply: { readonly from: number; readonly to: number }[] = [];
  isApplying = false;
  isSyncing = false;
  willTurn = false;

  pausedUntil = 0;
  /** When the first tick was due that a pause kept back. */
  tickMissedAt: number | undefined = undefined;
  clockRate = 1;
  slowDiskUntil = 0;

  /** What was on the disk before it lost a part, until the core says that it has caught up. */
  beforeLoss: LogImage | undefined = undefined;

  readonly proposals: Map<number, OpenProposal> = new Map();
  /** Reads of this life, by context: the least index that each may see. */
  readonly reads: Map<number, { readonly required: number; index: number | undefined }> = new Map();
  /** Proposals that the core has not answered: their operations. */
  readonly submitted: Map<number, { readonly first: number; readonly count: number }> = new Map();

  constructor(slot: number) {
    this.slot = slot;
    this.id = BigInt(slot + 1) as NodeId;
  }

  get checkpoint(): number {
    return this.newest.index;
  }

  get isUp(): boolean {
    return this.core !== undefined;
  }

  /** How it is called in a trace: n1, and n1.2 after it was formatted twice. */
  get name(): string {
    return nameOf(this.id);
  }

  /** Begins with a state that all founders share. */
  found(membership: Membership): void {
    this.log.found(FOUNDING.index, FOUNDING.term);
    this.#begin({ index: FOUNDING.index, membership });
  }

  #begin(state: AppliedState): void {
    this.state = state;
    this.newest = state;
    this.older = state;
  }

  /** An empty disk and a new id. */
  reformat(): void {
    this.format++;
    this.id = BigInt(this.format * MACHINES_MAX + this.slot + 1) as NodeId;
    this.log = new DurableLog();
    this.isRetired = false;
    this.beforeLoss = undefined;
    this.#begin({ index: 0, membership: NOBODY });
  }

  /** What is in memory is gone. */
  forget(): void {
    this.life++;
    this.core = undefined;
    this.state = this.newest;
    this.toApply = [];
    this.isApplying = false;
    this.isSyncing = false;
    this.willTurn = false;
    this.pausedUntil = 0;
    this.tickMissedAt = undefined;
    this.proposals.clear();
    this.reads.clear();
    this.submitted.clear();
  }
}

/** Whether the machine of this node had another one before. */
export function isReformatted(id: NodeId): boolean {
  return Number(id) > MACHINES_MAX;
}

/** The node of an id, for people. */
export function nameOf(id: NodeId): string {
  const number = Number(id) - 1;
  const format = Math.floor(number / MACHINES_MAX);
  return `n${(number % MACHINES_MAX) + 1}${format === 0 ? "" : `.${format}`}`;
}
