/**
 * Messages of a stream over HTTP: one byte of flags, the length in four bytes (big-endian), the message
 * (connectrpc.com/docs/protocol, "Streaming RPCs").
 */
import { LedgerError } from "@authledger/types";

const PREFIX_BYTES = 5;
const COMPRESSED = 0x01;
/** The last message of a Connect stream: how it ended, as JSON. */
export const END_OF_STREAM = 0x02;

export function envelope(message: Uint8Array, flags = 0): Buffer {
  const out = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  out[0] = flags;
  out.writeUInt32BE(message.length, 1);
  out.set(message, PREFIX_BYTES);
  return out;
}

/**
 * The one request of a call whose answer streams.
 * @throws LedgerError MALFORMED_MESSAGE
 */
export function openEnvelope(body: Buffer): Buffer {
  if (body.length < PREFIX_BYTES) throw damaged(`it has ${body.length} bytes`);
  const flags = body[0]!;
  if ((flags & COMPRESSED) !== 0) throw damaged("it is compressed, and no compression was agreed");
  if (flags !== 0) throw damaged(`its flags are ${flags}, not 0`);
  const length = body.readUInt32BE(1);
  const rest = body.length - PREFIX_BYTES;
  if (length !== rest) throw damaged(`it names ${length} bytes, and ${rest} follow`);
  return body.subarray(PREFIX_BYTES);
}

function damaged(why: string): LedgerError {
  return new LedgerError("MALFORMED_MESSAGE", `the request is not one enveloped message: ${why}`);
}
