/** The table that a benchmark prints and the JSON file that it leaves in bench/out. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { benchRoot } from "./workspace.mjs";

/**
 * @typedef {{
 *   title: string,
 *   columns: readonly string[],
 *   rows: readonly (readonly string[])[],
 *   goals: readonly { name: string, reached: boolean }[],
 *   notes?: readonly string[],
 *   figures: unknown,
 * }} Report `columns`: the last is the ratio, goal or figure by which a row is judged; `figures`: everything that was measured, for the JSON file
 */

/**
 * @param {string} name
 * @param {Report} report
 * @param {import("./machine.mjs").Machine} machine
 */
export function printReport(name, report, machine) {
  const { title, columns, rows, goals, notes = [] } = report;
  console.log(`\n${title}\n`);
  console.log(table(columns, rows));
  for (const { name: goal, reached } of goals)
    console.log(`${reached ? "reached" : "MISSED "}  ${goal}`);
  for (const note of notes) console.log(note);
  const packages = Object.entries(machine.packages).map(([key, version]) => `${key} ${version}`);
  console.log(
    `\n${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node}` +
      `\n${packages.join(", ")}\ncommit ${machine.commit}, ${machine.date}, load average ${machine.loadAverage.toFixed(2)} at the start`,
  );
  const directory = join(benchRoot, "out");
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${name}-${machine.date.replaceAll(/[:.]/g, "-")}.json`);
  writeFileSync(file, `${JSON.stringify({ name, machine, ...report }, undefined, 2)}\n`);
  console.log(`wrote ${file.slice(benchRoot.length)}`);
}

/**
 * @param {readonly string[]} columns
 * @param {readonly (readonly string[])[]} rows
 */
export function table(columns, rows) {
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...rows.map((row) => (row[i] ?? "").length)),
  );
  /** @param {readonly string[]} cells */
  const line = (cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [line(columns), rule, ...rows.map(line)].join("\n");
}

/**
 * @param {number} value
 * @param {number} [digits] after the point
 */
export function number(value, digits = 0) {
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** Microseconds as milliseconds. @param {number} micros */
export function millis(micros) {
  return `${number(micros / 1_000, 2)} ms`;
}

/** @param {number} micros */
export function micros(micros) {
  return `${number(micros, 1)} us`;
}

/** @param {number} bytes */
export function mebibytes(bytes) {
  return `${number(bytes / 2 ** 20, 1)} MiB`;
}

/** What a benchmark does just now, where nobody takes it for a result. @param {string} text */
export function progress(text) {
  process.stderr.write(`${text}\n`);
}
