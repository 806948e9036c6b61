/**
 * Decoding of requests that nobody vouches for: text that is not well-formed UTF-8 is refused instead of
 * being replaced, since a replaced name is another name.
 */
import { BinaryReader } from "@bufbuild/protobuf/wire";

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws Error when the bytes are not such a message */
export function decodeStrictly<T>(
  codec: { decode(input: BinaryReader | Uint8Array): T },
  bytes: Uint8Array,
): T {
  return codec.decode(new BinaryReader(bytes, (text) => strictUtf8.decode(text)));
}
