/**
 * A reader of the protobuf wire format that shares no code with the server, to look at what stock clients of
 * other languages would see.
 */
interface WireField {
  readonly field: number;
  readonly value: bigint | Uint8Array;
}

/** The fields of a message in their order; varints and length-delimited ones, which is all we send. */
function wireFields(bytes: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error("a varint is cut off");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const kind = tag & 7;
    if (kind === 0) fields.push({ field: tag >>> 3, value: varint() });
    else if (kind === 2) {
      const length = Number(varint());
      if (at + length > bytes.length) throw new Error("a field is cut off");
      fields.push({ field: tag >>> 3, value: bytes.slice(at, at + length) });
      at += length;
    } else throw new Error(`wire type ${kind}`);
  }
  return fields;
}

/** All values of a field that are bytes. */
export function wireBytes(bytes: Uint8Array, field: number): Uint8Array[] {
  return wireFields(bytes).flatMap((found) =>
    found.field === field && typeof found.value !== "bigint" ? [found.value] : [],
  );
}

/** All values of a field, as text. */
export function wireTexts(bytes: Uint8Array, field: number): string[] {
  return wireBytes(bytes, field).map((value) => new TextDecoder().decode(value));
}

export function wireNumber(bytes: Uint8Array, field: number): number {
  const found = wireFields(bytes).find((candidate) => candidate.field === field);
  return found === undefined ? 0 : Number(found.value);
}

/** A length-delimited field, for requests made by hand. */
export function wireText(field: number, text: string): Buffer {
  const value = Buffer.from(text);
  if (value.length > 127) throw new Error("longer than one byte of length");
  return Buffer.concat([Buffer.from([(field << 3) | 2, value.length]), value]);
}
