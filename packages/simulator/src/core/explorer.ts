/**
 * The explorer: every order in which messages, timeouts, syncs and crashes can come, breadth first, over the same core
 * that runs in production. What it finds it finds by the shortest way there.
 *
 *   INV-SIM-6  A world whose fingerprint was met is not entered again; all others are, until the budget is spent.
 */
import type { CoreModule } from "./core-module.js";
import { type Choice, ExploredWorld, type Search } from "./explored-world.js";
import type { Shape } from "./shapes.js";
import { asViolation, type Violation } from "./violation.js";

export interface ExploreOptions {
  readonly module: CoreModule;
  readonly shape: Shape;
  readonly statesMax: number;
  /** Asked now and then; true ends the search. */
  readonly isOver?: () => boolean;
}

export interface ExploreResult {
  readonly shape: string;
  /** Different worlds that were met. */
  readonly states: number;
  readonly depth: number;
  /** Everything was tried. */
  readonly isComplete: boolean;
  readonly violation: Violation | undefined;
  /** The way to the violation: what happened, and what the cores did. */
  readonly story: readonly string[];
}

/** A world that was met, by the way to it. */
interface Place {
  readonly parent: Place | undefined;
  readonly choice: Choice | undefined;
  readonly depth: number;
  /** Kept for places that are near the end of the queue; others walk the way again. */
  world: ExploredWorld | undefined;
}

/** Worlds kept alive; one takes some 10 KB. */
const LIVE_MAX = 30_000;
const LOOK_AT_CLOCK_EVERY = 256;

export function explore({ module, shape, statesMax, isOver }: ExploreOptions): ExploreResult {
  const search: Search = { module, shape };
  const met = new Set<number>();
  const root: Place = {
    parent: undefined,
    choice: undefined,
    depth: 0,
    world: ExploredWorld.begin(search),
  };
  met.add(root.world!.fingerprint);
  const queue: Place[] = [root];
  let live = 1;
  let depth = 0;
  const result = (isComplete: boolean, place?: Place, violation?: Violation): ExploreResult => ({
    shape: shape.name,
    states: met.size,
    depth,
    isComplete,
    violation,
    story: place === undefined ? [] : storyOf(search, place),
  });
  for (let head = 0; head < queue.length; head++) {
    if (head % LOOK_AT_CLOCK_EVERY === 0 && isOver?.() === true) return result(false);
    const place = queue[head]!;
    depth = place.depth;
    if (place.world !== undefined) live--;
    const world = worldOf(search, place);
    place.world = undefined;
    for (const choice of world.choices()) {
      const next: Place = { parent: place, choice, depth: depth + 1, world: undefined };
      let reached: ExploredWorld;
      try {
        reached = world.after(choice);
      } catch (error) {
        depth = next.depth;
        return result(false, next, asViolation(error));
      }
      const { fingerprint } = reached;
      if (met.has(fingerprint)) continue;
      met.add(fingerprint);
      if (met.size >= statesMax) return result(false);
      if (live < LIVE_MAX) {
        next.world = reached;
        live++;
      }
      queue.push(next);
    }
  }
  return result(true);
}

function wayTo(place: Place): Choice[] {
  const way: Choice[] = [];
  for (let at: Place | undefined = place; at?.choice !== undefined; at = at.parent) {
    way.push(at.choice);
  }
  return way.reverse();
}

function worldOf(search: Search, place: Place): ExploredWorld {
  if (place.world !== undefined) return place.world;
  let world = ExploredWorld.begin(search);
  for (const choice of wayTo(place)) world = world.after(choice);
  return world;
}

/** The way to a place, told; the last step breaks a rule. */
function storyOf(search: Search, place: Place): string[] {
  const lines: string[] = [];
  let world = ExploredWorld.begin(search);
  for (const [i, choice] of wayTo(place).entries()) {
    const told: string[] = [];
    try {
      world = world.after(choice, told);
    } catch (error) {
      told.push(`!! ${asViolation(error).message}`);
    }
    lines.push(...told.map((line, at) => (at === 0 ? `${i + 1}. ${line}` : line)));
  }
  return lines;
}
