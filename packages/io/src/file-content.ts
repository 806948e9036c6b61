/**
 * A file's bytes in memory, in chunks that forks share until one of them writes. Forking a disk image of many
 * megabytes at every single write of a long run is what the crash tests live on, so it must cost little.
 */
const CHUNK = 4096;

export class FileContent {
  size = 0;
  #chunks: (Uint8Array | undefined)[] = [];
  /** Chunks that only this content holds and may write in place. */
  #own = new Set<number>();

  /** A copy that shares all chunks; from now on neither writes a shared one in place. */
  fork(): FileContent {
    const copy = new FileContent();
    copy.size = this.size;
    copy.#chunks = this.#chunks.slice();
    this.#own.clear();
    return copy;
  }

  read(into: Uint8Array, position: number): number {
    const end = Math.min(this.size, position + into.length);
    for (let at = position; at < end; ) {
      const chunk = this.#chunks[Math.floor(at / CHUNK)];
      const from = at % CHUNK;
      const length = Math.min(CHUNK - from, end - at);
      if (chunk === undefined) into.fill(0, at - position, at - position + length);
      else into.set(chunk.subarray(from, from + length), at - position);
      at += length;
    }
    return Math.max(0, end - position);
  }

  /** As pwrite: no bytes leave the file as it is, even behind its end. */
  write(data: Uint8Array, position: number): void {
    if (data.length === 0) return;
    for (let done = 0; done < data.length; ) {
      const at = position + done;
      const from = at % CHUNK;
      const length = Math.min(CHUNK - from, data.length - done);
      this.#writable(Math.floor(at / CHUNK)).set(data.subarray(done, done + length), from);
      done += length;
    }
    this.size = Math.max(this.size, position + data.length);
  }

  truncate(length: number): void {
    if (length < this.size) {
      const keep = Math.ceil(length / CHUNK);
      this.#chunks.length = Math.min(this.#chunks.length, keep);
      if (length % CHUNK !== 0 && this.#chunks[keep - 1] !== undefined) {
        this.#writable(keep - 1).fill(0, length % CHUNK);
      }
    }
    this.size = length;
  }

  #writable(index: number): Uint8Array {
    let chunk = this.#chunks[index];
    if (chunk === undefined || !this.#own.has(index)) {
      chunk = chunk === undefined ? new Uint8Array(CHUNK) : chunk.slice();
      this.#chunks[index] = chunk;
      this.#own.add(index);
    }
    return chunk;
  }
}
