/** Shows for every known bug that it is found, by whom, and after how much. */
import { hunt } from "../core/museum.js";
import { exhibits } from "../core/museum-table.js";
import { nodeExhibits } from "../museum/node-exhibits.js";
import { huntNode } from "../museum/node-museum.js";

const UNITS = { scenario: "transcript", swarm: "seeds", explorer: "states" } as const;

/** How a mutant was found, in words; undefined: it was not. */
type Story = string | undefined;

interface Tour {
  readonly number: string;
  readonly name: string;
  readonly hunt: () => Promise<Story>;
}

/** True when every mutant was found. */
export async function runMuseum(say: (text: string) => void): Promise<boolean> {
  const tours = [...coreTours(), ...nodeTours()];
  const missing: string[] = [];
  for (const { number, name, hunt: hunted } of tours) {
    const start = performance.now();
    const story = await hunted();
    const seconds = ((performance.now() - start) / 1_000).toFixed(1);
    if (story === undefined) missing.push(number);
    say(`${number.padEnd(4)} ${name}\n       ${story ?? "NOT FOUND"} [${seconds} s]\n`);
  }
  const which = missing.length === 0 ? "" : `; not found: ${missing.join(", ")}`;
  say(`${tours.length - missing.length} of ${tours.length} found${which}\n`);
  return missing.length === 0;
}

function coreTours(): Tour[] {
  return exhibits.map((exhibit) => ({
    number: exhibit.number,
    name: exhibit.name,
    hunt: async () => {
      const found = (await hunt(exhibit)).find(({ isFound }) => isFound);
      if (found === undefined) return undefined;
      const { by } = found.hunter;
      return `${by}, ${found.effort} ${UNITS[by]}: ${found.rule}`;
    },
  }));
}

function nodeTours(): Tour[] {
  return nodeExhibits.map((exhibit) => ({
    number: exhibit.number,
    name: exhibit.name,
    hunt: async () => {
      const { isFound, seeds, rule } = await huntNode(exhibit);
      return isFound ? `${exhibit.hunter.by}, ${seeds} seeds: ${rule}` : undefined;
    },
  }));
}
