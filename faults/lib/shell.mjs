// @ts-check
/** Commands of the system that must succeed. */
import { spawnSync } from "node:child_process";

/** @param {string} command @param {string[]} args */
export function sh(command, ...args) {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.trim()}`);
}

/** Does it succeed? @param {string} command @param {string[]} args */
export function works(command, ...args) {
  const { status, error } = spawnSync(command, args, { stdio: "ignore" });
  return error === undefined && status === 0;
}
