/**
 * A network: an address (`192.0.2.7`, `2001:db8::1`) or a range of them (`192.0.2.0/24`). An IPv4
 * address counts as the same one where it is written as an IPv6 one (`::ffff:192.0.2.7`).
 */
export class AddressRange {
  /** Two ranges are the same where their texts are: in one spelling, bits behind the prefix cleared. */
  readonly text: string;
  readonly #groups: readonly number[];
  readonly #prefix: number;

  private constructor(groups: readonly number[], prefix: number) {
    this.#groups = groups.map((group, i) => group & maskOf(prefix, i));
    this.#prefix = prefix;
    this.text = textOf(this.#groups, prefix);
  }

  /** @returns `undefined` where the text is none. */
  static parse(text: string): AddressRange | undefined {
    const [address = "", prefix, ...rest] = text.split("/");
    const groups = parseAddress(address);
    if (groups === undefined || rest.length > 0) return undefined;
    if (prefix === undefined) return new AddressRange(groups, 128);
    const isFour = !address.includes(":");
    if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > (isFour ? 32 : 128)) return undefined;
    return new AddressRange(groups, Number(prefix) + (isFour ? 96 : 0));
  }

  /** Whether the address, as `parseAddress` gives it, is in the range. */
  includes(groups: readonly number[]): boolean {
    for (let i = 0; i * 16 < this.#prefix; i++)
      if ((groups[i]! & maskOf(this.#prefix, i)) !== this.#groups[i]) return false;
    return true;
  }
}

/** The eight groups of an address, of an IPv4 one those of its IPv6 form; `undefined` where the text is none. A zone (`%eth0`) is left out. */
export function parseAddress(text: string): readonly number[] | undefined {
  const [address = ""] = text.split("%");
  if (!address.includes(":")) {
    const four = parseFour(address);
    return four === undefined ? undefined : [0, 0, 0, 0, 0, 0xffff, ...four];
  }
  const halves = address.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = [groupsOf(halves[0]!, halves.length === 1), groupsOf(halves[1] ?? "", true)];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

/** Groups between colons; at the end of an address the last may be an IPv4 one. */
function groupsOf(text: string, isEnd: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    const four =
      isEnd && i === parts.length - 1 && part.includes(".") ? parseFour(part) : undefined;
    if (four !== undefined) groups.push(...four);
    else if (/^[\da-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function parseFour(text: string): [number, number] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part)))
    return undefined;
  const [a, b, c, d] = parts.map(Number) as [number, number, number, number];
  if (a > 255 || b > 255 || c > 255 || d > 255) return undefined;
  return [a * 256 + b, c * 256 + d];
}

/** The bits of one group that belong to the prefix. */
function maskOf(prefix: number, group: number): number {
  const bits = Math.min(16, Math.max(0, prefix - group * 16));
  return (0xffff << (16 - bits)) & 0xffff;
}

function textOf(groups: readonly number[], prefix: number): string {
  const isFour = prefix >= 96 && groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff;
  const address = isFour
    ? [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join(".")
    : shortened(groups.map((group) => group.toString(16)));
  const [length, longest] = isFour ? [prefix - 96, 32] : [prefix, 128];
  return length === longest ? address : `${address}/${length}`;
}

/** Writes the longest run of zeros as `::`. */
function shortened(groups: readonly string[]): string {
  let [at, length] = [0, 0];
  for (let from = 0; from < groups.length; from++) {
    let to = from;
    while (groups[to] === "0") to++;
    if (to - from > length) [at, length] = [from, to - from];
  }
  if (length < 2) return groups.join(":");
  return `${groups.slice(0, at).join(":")}::${groups.slice(at + length).join(":")}`;
}
