/** Shows for every known bug that it is found, by whom, and after how much. */
import { hunt } from "../core/museum.js";
import { elsewhere, exhibits } from "../core/museum-table.js";

const UNITS = { scenario: "transcript", swarm: "seeds", explorer: "states" } as const;

/** True when every mutant was found. */
export async function runMuseum(say: (text: string) => void): Promise<boolean> {
  let missing = 0;
  for (const exhibit of exhibits) {
    const start = performance.now();
    const catches = await hunt(exhibit);
    const seconds = ((performance.now() - start) / 1_000).toFixed(1);
    const found = catches.find(({ isFound }) => isFound);
    if (found === undefined) missing++;
    const unit = found === undefined ? "" : UNITS[found.hunter.by];
    const how =
      found === undefined
        ? "NOT FOUND"
        : `${found.hunter.by}, ${found.effort} ${unit}, ${seconds} s: ${found.rule}`;
    say(`${exhibit.number.padEnd(4)} ${exhibit.name}\n       ${how}\n`);
  }
  for (const { number, name, coveredBy } of elsewhere) {
    say(`${number.padEnd(4)} ${name}\n       not in the core: ${coveredBy}\n`);
  }
  say(`${exhibits.length - missing} of ${exhibits.length} found\n`);
  return missing === 0;
}
