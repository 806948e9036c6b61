/** What a bench measures: each operation as one call, over data that it knows. */
import { createTuple, type LedgerClient } from "@authledger/sdk";

export const OPERATIONS = [
  "write",
  "batch_write",
  "check",
  "batch_check",
  "list",
  "proof",
  "verified_check",
] as const;
export type OperationName = (typeof OPERATIONS)[number];

export interface Operation {
  readonly name: OperationName;
  /** Tuples that one call writes, asks about or lists. */
  readonly itemsPerCall: number;
  /** @param n counts the calls of the operation, so that no two write the same */
  call(n: number): Promise<unknown>;
}

const DOCUMENTS = 20;
const VIEWERS = 100;
const BATCH = 100;
const FROM_GENESIS = { trustedSize: 1n };

/** What reads find: 20 documents of 100 viewers each. */
export async function prepare(client: LedgerClient): Promise<void> {
  for (let d = 0; d < DOCUMENTS; d++) {
    const tuples = Array.from({ length: VIEWERS }, (_, v) => createTuple(tupleAt(d, v)));
    await client.write(tuples);
  }
}

/** @param verifying a client of the same vault that computes answers from proofs */
export function operationOf(
  name: OperationName,
  client: LedgerClient,
  verifying: LedgerClient,
): Operation {
  switch (name) {
    case "write":
      return operation(name, 1, (n) => client.write([createTuple(`bench:w${n}#viewer@user:u`)]));
    case "batch_write":
      return operation(name, BATCH, (n) =>
        client.write(numbers(BATCH).map((i) => createTuple(`bench:b${n}#viewer@user:u${i}`))),
      );
    case "check":
      return operation(name, 1, (n) => client.hasTuple(someTuple(n)));
    case "batch_check":
      return operation(name, BATCH, (n) =>
        client.hasTuples(numbers(BATCH).map((i) => someTuple(n * BATCH + i))),
      );
    case "list":
      return operation(name, VIEWERS, (n) =>
        client.list({ resource: `doc:d${n % DOCUMENTS}`, relation: "viewer" }).collect(VIEWERS),
      );
    case "proof":
      return operation(name, 1, (n) => client.hasTuple(someTuple(n), { prove: FROM_GENESIS }));
    case "verified_check":
      return operation(name, 1, (n) => verifying.hasTuple(someTuple(n)));
  }
}

function operation(
  name: OperationName,
  itemsPerCall: number,
  call: (n: number) => Promise<unknown>,
): Operation {
  return { name, itemsPerCall, call };
}

/** Present and absent ones in turn, spread over all documents. */
function someTuple(n: number): string {
  const isPresent = n % 2 === 0;
  return tupleAt(n % DOCUMENTS, isPresent ? (n * 7) % VIEWERS : VIEWERS + (n % 1_000));
}

function tupleAt(document: number, viewer: number): string {
  return `doc:d${document}#viewer@user:u${viewer}`;
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}
