/**
 * Files that are replaced while the node runs: certificates, keys, key sets. They are read again every few seconds, by their
 * content, since rotation comes as renamed files, as symbolic links that move (Kubernetes), or as writes in place.
 *
 *   INV-TLS-1  What was made of the files last stays in use until all of them together make something new: a file that is
 *              missing, cut off or belongs to another key changes nothing but the log.
 */
import { readFileSync, statSync } from "node:fs";
import { LedgerError } from "@authledger/types";

const POLL_MS = 2_000;
const FILE_BYTES_MAX = 1024 * 1024;

/** Paths by the name of the setting that gives them. */
export type FilePaths = Readonly<Record<string, string>>;
export type FileContents = Readonly<Record<string, Buffer>>;

export interface ReloadOptions<T> {
  /** @throws whatever is wrong with the contents */
  readonly make: (contents: FileContents) => T;
  /** Names the files in errors: "the certificate of the peer port". */
  readonly what: string;
  readonly onChange?: (made: T) => void;
  /** Told once for each state of the files that stayed unusable over two looks. */
  readonly onProblem?: (error: LedgerError) => void;
  readonly pollMs?: number;
  /** A file without PEM is none of ours. */
  readonly isPem?: boolean;
}

export class ReloadedFiles<T> {
  readonly #paths: FilePaths;
  readonly #options: ReloadOptions<T>;
  #seen: string;
  #current: T;
  #generation = 1;
  /** A state of the files that could not be used, and how often it was seen. */
  #broken = { state: "", times: 0 };
  readonly #timer: NodeJS.Timeout;

  /** @throws LedgerError TLS_CONFIG naming the setting and the file that cannot be used */
  constructor(paths: FilePaths, options: ReloadOptions<T>) {
    this.#paths = paths;
    this.#options = options;
    const contents = readAll(paths, options.isPem);
    this.#current = this.#make(contents);
    this.#seen = stateOf(contents);
    this.#timer = setInterval(() => this.look(), options.pollMs ?? POLL_MS).unref();
  }

  get current(): T {
    return this.#current;
  }

  /** Larger after each change. */
  get generation(): number {
    return this.#generation;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Looks now. */
  look(): void {
    let state = "unreadable";
    try {
      const contents = readAll(this.#paths, this.#options.isPem);
      state = stateOf(contents);
      if (state === this.#seen) return;
      this.#current = this.#make(contents);
      this.#seen = state;
      this.#generation++;
      this.#options.onChange?.(this.#current);
    } catch (error) {
      this.#complain(state, LedgerError.from(error));
    }
  }

  #make(contents: FileContents): T {
    try {
      return this.#options.make(contents);
    } catch (cause) {
      if (cause instanceof LedgerError) throw cause;
      const [field] = Object.keys(this.#paths);
      throw tlsConfig(field!, `${this.#options.what} cannot be used: ${whyOf(cause)}`, cause);
    }
  }

  /** Certificate and key are replaced one after the other: what lies between the two is nothing to complain of. */
  #complain(state: string, error: LedgerError): void {
    this.#broken = { state, times: this.#broken.state === state ? this.#broken.times + 1 : 1 };
    if (this.#broken.times === 2) this.#options.onProblem?.(error);
  }
}

function tlsConfig(field: string, message: string, cause?: unknown): LedgerError {
  return new LedgerError("TLS_CONFIG", message, { details: { field }, cause });
}

function readAll(paths: FilePaths, isPem = false): FileContents {
  return Object.fromEntries(
    Object.entries(paths).map(([field, path]) => {
      try {
        const { size } = statSync(path);
        if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes`);
        const bytes = readFileSync(path);
        if (isPem && !bytes.includes("-----BEGIN ")) throw new Error("it holds no PEM");
        return [field, bytes] as const;
      } catch (cause) {
        throw tlsConfig(field, `${field} ${path} cannot be used: ${whyOf(cause)}`, cause);
      }
    }),
  );
}

function stateOf(contents: FileContents): string {
  return Object.values(contents)
    .map((bytes) => bytes.toString("latin1"))
    .join("\0");
}

function whyOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
