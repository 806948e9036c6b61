/** The chunked, shared content of a file behaves like one array of bytes, on every side of every fork. */
import type { SeededRandom } from "@authledger/io";
import { describe, expect, it } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { FileContent } from "../../src/file-content.js";

const CHUNK = 4096;

/** The same operations on a plain array. */
class Model {
  bytes: Uint8Array;

  constructor(bytes: Uint8Array = new Uint8Array()) {
    this.bytes = bytes;
  }

  write(data: Uint8Array, position: number): void {
    if (data.length === 0) return;
    if (position + data.length > this.bytes.length) this.truncate(position + data.length);
    this.bytes.set(data, position);
  }

  truncate(length: number): void {
    const next = new Uint8Array(length);
    next.set(this.bytes.subarray(0, length));
    this.bytes = next;
  }

  read(position: number, length: number): Uint8Array {
    return this.bytes.slice(position, position + length);
  }
}

/** Positions where chunks begin and end, give or take a few bytes, more often than others. */
function position(random: SeededRandom): number {
  const near = random.int(5) * CHUNK + random.between(-3, 4);
  return random.chance(0.6) ? Math.max(0, near) : random.int(5 * CHUNK);
}

function change(random: SeededRandom, content: FileContent, model: Model): void {
  if (random.chance(0.2)) {
    const length = position(random);
    content.truncate(length);
    model.truncate(length);
  } else {
    const data = random.bytes(random.chance(0.2) ? random.int(2 * CHUNK) : random.int(20));
    const at = position(random);
    content.write(data, at);
    model.write(data, at);
  }
}

function readAll(content: FileContent): Uint8Array {
  const bytes = new Uint8Array(content.size).fill(0xee);
  expect(content.read(bytes, 0)).toBe(content.size);
  return bytes;
}

describe("the content of a file", () => {
  it("reads like one array, whatever was written, cut and forked before", () => {
    const random = testRandom("file content");
    for (let round = 0; round < testRounds(60); round++) {
      const sides = [{ content: new FileContent(), model: new Model() }];
      for (let i = 0; i < 60; i++) {
        const { content, model } = random.pick(sides);
        change(random, content, model);
        if (random.chance(0.1) && sides.length < 5) {
          sides.push({ content: content.fork(), model: new Model(model.bytes.slice()) });
        }
      }
      for (const { content, model } of sides) {
        expect(Buffer.compare(readAll(content), model.bytes)).toBe(0);
      }
    }
  });

  it("reads any part, shorter only at its end", () => {
    const random = testRandom("file content parts");
    const [content, model] = [new FileContent(), new Model()];
    for (let i = 0; i < testRounds(500); i++) {
      change(random, content, model);
      const [at, length] = [position(random), random.int(2 * CHUNK)];
      const into = new Uint8Array(length).fill(0xee);
      const expected = model.read(at, length);
      expect(content.read(into, at)).toBe(expected.length);
      expect(Buffer.compare(into.subarray(0, expected.length), expected)).toBe(0);
      expect(into.subarray(expected.length).every((byte) => byte === 0xee)).toBe(true);
    }
  });

  it("has zeros where a cut file grows again", () => {
    const content = new FileContent();
    content.write(new Uint8Array(2 * CHUNK).fill(7), 0);
    content.truncate(10);
    content.truncate(2 * CHUNK);
    expect(readAll(content).every((byte, i) => byte === (i < 10 ? 7 : 0))).toBe(true);
  });

  it("does not grow by writing nothing behind its end, as pwrite does not", () => {
    const content = new FileContent();
    content.write(new Uint8Array(), 100);
    expect(content.size).toBe(0);
  });
});
