/** Finds the mode of a campaign by its name, and loads it. */
import type { Mode, ModeName } from "./mode.js";

/** Loads a mode. Only what is asked for is loaded: whole nodes bring the whole engine with them. */
export async function loadMode(name: ModeName): Promise<Mode> {
  return name === "core"
    ? (await import("./core-mode.js")).mode
    : (await import("./nodes-mode.js")).mode;
}
