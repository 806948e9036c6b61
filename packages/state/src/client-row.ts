/**
 * Rows of the `client` table: the last transaction of each client in a vault.
 *
 *     key    u32 vault || client id
 *     value  u64 sequence || u48 height || transaction id (16)
 */
import { ByteWriter } from "@authledger/types";
import { readU48, writeU48 } from "./tables.js";

/** What a client did last in a vault. */
export interface ClientState {
  /** The server's number of the transaction among those of the client. */
  readonly sequence: number;
  /** The block that holds it. */
  readonly height: number;
  readonly transactionId: Uint8Array;
}

const HEIGHT_AT = 8;
const ID_AT = 14;
export const CLIENT_ROW_BYTES = 30;

const keyWriter = new ByteWriter(140);

export function clientKey(vault: number, clientId: string): Uint8Array {
  return keyWriter.clear().u32(vault).utf8(clientId).finish();
}

export function encodeClientRow({ sequence, height, transactionId }: ClientState): Uint8Array {
  const row = new Uint8Array(CLIENT_ROW_BYTES);
  new DataView(row.buffer).setBigUint64(0, BigInt(sequence));
  writeU48(row, HEIGHT_AT, height);
  row.set(transactionId, ID_AT);
  return row;
}

export function decodeClientRow(row: Uint8Array): ClientState {
  const sequence = new DataView(row.buffer, row.byteOffset).getBigUint64(0);
  return {
    sequence: Number(sequence),
    height: readU48(row, HEIGHT_AT),
    transactionId: row.slice(ID_AT),
  };
}
