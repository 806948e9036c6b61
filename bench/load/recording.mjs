/**
 * Recordings of requests as files, for a player that did not make them:
 *
 *     "ALREC1\n", then for each request  u16 path bytes | path | u32 message bytes | message   (big-endian)
 */
import { readFileSync, writeFileSync } from "node:fs";

/** @typedef {import("./connection.mjs").Request} Request */

const MAGIC = Buffer.from("ALREC1\n", "latin1");
const PATH_BYTES_MAX = 0xffff;

/**
 * @param {string} file
 * @param {readonly Request[]} requests
 */
export function writeRecording(file, requests) {
  const parts = [MAGIC];
  for (const { path, message } of requests) {
    const name = Buffer.from(path, "utf8");
    if (name.length > PATH_BYTES_MAX) throw new RangeError("path too long");
    const head = Buffer.alloc(2 + name.length + 4);
    head.writeUInt16BE(name.length, 0);
    name.copy(head, 2);
    head.writeUInt32BE(message.length, 2 + name.length);
    parts.push(head, Buffer.from(message));
  }
  writeFileSync(file, Buffer.concat(parts));
}

/**
 * @param {string} file
 * @returns {Request[]}
 */
export function readRecording(file) {
  const bytes = readFileSync(file);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error(`${file} is no recording`);
  const requests = [];
  let at = MAGIC.length;
  /** @param {number} count */
  const take = (count) => {
    if (at + count > bytes.length) throw new Error(`${file} is cut off at byte ${at}`);
    at += count;
    return bytes.subarray(at - count, at);
  };
  while (at < bytes.length) {
    const path = take(take(2).readUInt16BE(0)).toString("utf8");
    const message = take(take(4).readUInt32BE(0));
    requests.push({ path, message });
  }
  return requests;
}
