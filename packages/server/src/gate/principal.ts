/** Who calls, as the gate found it out; the name stands in transactions and in roles. */
export interface Principal {
  /** How the caller showed who it is. */
  readonly kind: "anonymous" | "root" | "key" | "token" | "certificate" | "node";
  /** The actor of its transactions, and the subject of its roles. */
  readonly name: string;
}

/** Who calls a development node without credentials. */
export const ANONYMOUS: Principal = { kind: "anonymous", name: "anonymous" };
