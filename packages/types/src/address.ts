/** Network addresses as text: `host:port`, with IPv6 hosts in brackets. One place that knows how they are cut. */

const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]{1,253}):([0-9]{1,5})$/;
const PORT_MAX = 65_535;

export interface Address {
  /** Without brackets. */
  readonly host: string;
  /** 0 to 65,535; what 0 means is for the reader to say. */
  readonly port: number;
}

/**
 * Undefined for everything that is not an address.
 * @example splitAddress("[::1]:7400") // { host: "::1", port: 7400 }
 */
export function splitAddress(text: string): Address | undefined {
  const [, host = "", digits = ""] = ADDRESS.exec(text) ?? [];
  const port = Number(digits);
  if (host === "" || port > PORT_MAX) return undefined;
  return { host: host.startsWith("[") ? host.slice(1, -1) : host, port };
}

/** @example joinAddress({ host: "::1", port: 7400 }) // "[::1]:7400" */
export function joinAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
