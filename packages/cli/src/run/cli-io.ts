/** Everything of the outside that commands touch, so that tests can stand in its place. */
export interface CliIo {
  /** Data, and nothing else. Resolves when more may be written. */
  readonly out: (text: string) => Promise<void>;
  /** Data that is no text. */
  readonly outBytes: (bytes: Uint8Array) => Promise<void>;
  /** Everything that is not data. */
  readonly err: (text: string) => void;
  /** The same without holding the process while nobody takes it: the log of a node. Absent: as `err`. */
  readonly errLater?: ((text: string) => Promise<void>) | undefined;
  readonly input: AsyncIterable<Uint8Array>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Standard error is a terminal: progress may be drawn. */
  readonly isErrTerminal: boolean;
  /** Standard output, when it is a terminal that can be drawn on. */
  readonly terminal?: Terminal | undefined;
  /** Asks the person, where there is one: standard input and standard error are terminals. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}

export interface Terminal {
  /** The window as it is now. */
  size(): { readonly columns: number; readonly rows: number };
  /** Calls back when the window has changed. @returns a function that ends it */
  onResize(listener: () => void): () => void;
}
