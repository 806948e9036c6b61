/** The bytes that a request was decoded from, for as long as the request lives: what vouches for a call names them. */
const BYTES = new WeakMap<object, Buffer>();

/** Decodes, and remembers of what. */
export function rememberBytes(decode: (bytes: Buffer) => unknown): (bytes: Buffer) => unknown {
  return (bytes) => {
    const request = decode(bytes);
    if (typeof request === "object" && request !== null) BYTES.set(request, bytes);
    return request;
  };
}

/** Undefined for requests of methods that are never passed on. */
export function requestBytes(request: unknown): Buffer | undefined {
  return typeof request === "object" && request !== null ? BYTES.get(request) : undefined;
}
