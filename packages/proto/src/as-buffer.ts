/**
 * Bytes as gRPC's library wants them. In a browser there is no Buffer, and nobody who wants one: the bytes stay what
 * they are.
 */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (typeof Buffer === "undefined") return bytes as Buffer;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
