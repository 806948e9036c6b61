/** IP addresses and networks (CIDR) of conditions, as Go's net/netip reads them. No names, no look-ups. */

export interface IpAddress {
  readonly bits: 32 | 128;
  readonly value: bigint;
  /** Of IPv6: `%eth0`. An address with a zone is in no network. */
  readonly zone: string;
}

/** Undefined where the text is not an address. */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (!text.includes(":")) {
    const value = parseV4(text);
    return value === undefined ? undefined : { bits: 32, value, zone: "" };
  }
  const percent = text.indexOf("%");
  const zone = percent < 0 ? "" : text.slice(percent + 1);
  if (percent >= 0 && zone === "") return undefined;
  const value = parseV6(percent < 0 ? text : text.slice(0, percent));
  return value === undefined ? undefined : { bits: 128, value, zone };
}

/** One text for each address: equal addresses are equal texts. */
export function formatIpAddress({ bits, value, zone }: IpAddress): string {
  const hex = value.toString(16).padStart(bits / 4, "0");
  if (bits === 32) {
    return hex.replace(/../g, (byte) => `.${Number.parseInt(byte, 16)}`).slice(1);
  }
  const groups = hex.match(/.{4}/g) ?? [];
  return groups.join(":") + (zone === "" ? "" : `%${zone}`);
}

/** Is the address in the network `10.0.0.0/8`? Undefined where the text is not a network. */
export function isInNetwork(address: IpAddress, network: string): boolean | undefined {
  const slash = network.lastIndexOf("/");
  if (slash < 0) return undefined;
  const base = parseIpAddress(network.slice(0, slash));
  const length = network.slice(slash + 1);
  if (base === undefined || base.zone !== "" || !/^(0|[1-9]\d{0,2})$/.test(length))
    return undefined;
  const bits = Number(length);
  if (bits > base.bits) return undefined;
  if (address.bits !== base.bits || address.zone !== "") return false;
  const shift = BigInt(base.bits - bits);
  return address.value >> shift === base.value >> shift;
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  let value = 0n;
  for (const group of [...head, ...new Array<bigint>(missing).fill(0n), ...tail]) {
    value = (value << 16n) | group;
  }
  return value;
}

/** The last group of an address may be an IPv4 address. */
function groups(text: string, isLast: boolean): bigint[] | undefined {
  if (text === "") return [];
  const found: bigint[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (isLast && i === parts.length - 1 && part.includes(".")) {
      const v4 = parseV4(part);
      if (v4 === undefined) return undefined;
      found.push(v4 >> 16n, v4 & 0xffffn);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      found.push(BigInt(`0x${part}`));
    } else {
      return undefined;
    }
  }
  return found;
}
