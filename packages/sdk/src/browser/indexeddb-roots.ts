/**
 * Pinned roots in the database of a browser (w3.org/TR/IndexedDB-3), for pages and workers of one origin.
 *
 *   INV-ROOTS-2  A root is replaced whole, and has been written when `save` is done.
 *
 * Two tabs may save at the same time; the later one wins, and both texts were verified. A browser may throw the database
 * away when its disk is full; the client then takes its trust from the anchor again, as at first contact.
 */
import { LedgerError } from "@authledger/types";
import type { PinnedRoots } from "../verify/pinned-roots.js";

const STORE = "roots";

/** The few parts of IndexedDB that are used here: this library is compiled without the names of the DOM. */
interface Request<T> {
  readonly result: T;
  readonly error: unknown;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}
interface OpenRequest extends Request<Database> {
  onupgradeneeded: (() => void) | null;
}
interface Database {
  createObjectStore(name: string): unknown;
  transaction(
    store: string,
    mode: "readonly" | "readwrite",
    options?: { readonly durability: "strict" },
  ): Transaction;
  onversionchange: (() => void) | null;
  close(): void;
}
interface Transaction {
  readonly error: unknown;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
  objectStore(name: string): {
    get(key: string): Request<unknown>;
    put(value: string, key: string): unknown;
  };
}

export class IndexedDbRoots implements PinnedRoots {
  readonly #name: string;
  #database: Promise<Database> | undefined;

  /** @param name of the database, which is made when first needed */
  constructor(name = "authledger") {
    this.#name = name;
  }

  async load(vault: string): Promise<string | undefined> {
    const database = await this.#open();
    const found = database.transaction(STORE, "readonly").objectStore(STORE).get(vault);
    const text = await settled(found, "IO_READ_FAILED");
    return typeof text === "string" ? text : undefined;
  }

  async save(vault: string, text: string): Promise<void> {
    const database = await this.#open();
    const change = database.transaction(STORE, "readwrite", { durability: "strict" });
    await new Promise<void>((resolve, reject) => {
      change.oncomplete = () => resolve();
      change.onabort = () => reject(failed("IO_WRITE_FAILED", change.error));
      change.objectStore(STORE).put(text, vault);
    });
  }

  /** A failure is not remembered: the next call opens again. */
  #open(): Promise<Database> {
    this.#database ??= this.#opened().catch((error: unknown) => {
      this.#database = undefined;
      throw error;
    });
    return this.#database;
  }

  async #opened(): Promise<Database> {
    const { indexedDB } = globalThis as { indexedDB?: { open(name: string): OpenRequest } };
    if (indexedDB === undefined) throw failed("IO_READ_FAILED", "there is no IndexedDB here");
    const opening = indexedDB.open(this.#name);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    const database = await settled(opening, "IO_READ_FAILED");
    // Another tab wants to delete it, and would wait for this one.
    database.onversionchange = () => {
      database.close();
      this.#database = undefined;
    };
    return database;
  }
}

function settled<T>(request: Request<T>, code: "IO_READ_FAILED"): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(failed(code, request.error));
  });
}

function failed(code: "IO_READ_FAILED" | "IO_WRITE_FAILED", cause: unknown): LedgerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LedgerError(code, `the pinned roots in IndexedDB: ${why}`, { cause });
}
