import type { Pattern } from "./case.ts";

/**
 * Why a packet does not fit a pattern, or `undefined`. `null`: must be absent; `undefined`: may be
 * anything; `{ oneOf: […] }`: one of these; bytes are compared as text.
 */
export function differs(packet: unknown, pattern: Pattern, path = ""): string | undefined {
  for (const [key, expected] of Object.entries(pattern)) {
    if (expected === undefined) continue;
    const seen = (packet as Record<string, unknown>)[key] ?? defaultOf(key);
    const where = path === "" ? key : `${path}.${key}`;
    if (expected === null) {
      if (seen !== undefined) return `${where}: expected to be absent`;
    } else if (isOneOf(expected)) {
      if (!expected.oneOf.includes(seen))
        return `${where}: expected one of ${print(expected.oneOf)}, got ${print(seen)}`;
    } else if (Array.isArray(expected)) {
      if (JSON.stringify(seen) !== JSON.stringify(expected))
        return `${where}: expected ${print(expected)}, got ${print(seen)}`;
    } else if (seen instanceof Uint8Array) {
      const text = Buffer.from(seen).toString();
      if (text !== expected) return `${where}: expected ${print(expected)}, got ${print(text)}`;
    } else if (typeof expected === "object") {
      if (seen === undefined && Object.values(expected).every((value) => value === null)) continue;
      if (seen === undefined) return `${where}: expected to be there`;
      const fault = differs(seen, expected as Pattern, where);
      if (fault !== undefined) return fault;
    } else if (seen !== expected) {
      return `${where}: expected ${print(expected)}, got ${print(seen)}`;
    }
  }
  return undefined;
}

function isOneOf(value: unknown): value is { oneOf: readonly unknown[] } {
  return typeof value === "object" && value !== null && "oneOf" in value;
}

/** Fields that the decoder leaves out where they have their default. */
function defaultOf(key: string): unknown {
  return key === "reasonCode" ? 0 : undefined;
}

function print(value: unknown): string {
  return JSON.stringify(value, shown) ?? "nothing";
}

/** For `JSON.stringify`: bytes as text. */
export function shown(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : value;
}
