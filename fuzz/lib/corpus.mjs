// @ts-check
/**
 * Inputs that are kept: a text file for each target, an input in base64 on each line, the shortest first. A line
 * that begins with `#` tells the story of the input behind it, a finding that was fixed.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const corpusRoot = fileURLToPath(new URL("../corpus", import.meta.url));
const findingsRoot = fileURLToPath(new URL("../out/findings", import.meta.url));

/** @param {string} target */
const corpusFile = (target) => join(corpusRoot, `${target}.txt`);

/** @param {string} target */
function readLines(target) {
  const path = corpusFile(target);
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}

/** @param {string} target */
export function readCorpus(target) {
  const inputs = readLines(target).filter((line) => !line.startsWith("#"));
  return inputs.map((line) => new Uint8Array(Buffer.from(line, "base64")));
}

/**
 * Keeps these inputs and the findings with their stories, and no others.
 *
 * @param {string} target
 * @param {readonly Uint8Array[]} inputs
 */
export function writeCorpus(target, inputs) {
  const lines = readLines(target);
  const stories = lines.filter(
    (line, at) => line.startsWith("#") || lines[at - 1]?.startsWith("#"),
  );
  const texts = new Set(inputs.map((input) => Buffer.from(input).toString("base64")));
  for (const story of stories) texts.delete(story);
  const sorted = [...texts].toSorted((a, b) => a.length - b.length || (a < b ? -1 : 1));
  mkdirSync(corpusRoot, { recursive: true });
  writeFileSync(corpusFile(target), [...stories, ...sorted].map((line) => `${line}\n`).join(""));
}

/**
 * Saves an input that broke something; returns its path.
 *
 * @param {string} target
 * @param {Uint8Array} bytes
 */
export function saveFinding(target, bytes) {
  mkdirSync(findingsRoot, { recursive: true });
  const name = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  const path = join(findingsRoot, `${target}-${name}`);
  writeFileSync(path, bytes);
  return path;
}
