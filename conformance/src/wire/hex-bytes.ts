/**
 * Reads bytes: hex digits; `'text'` for the bytes of a text; `"text"` for a UTF-8 string with its
 * two-byte length; `( … )` for bytes behind their length as Variable Byte Integer; `[N:HH]` for N
 * times the byte HH.
 */
export function hexBytes(hex: string): Uint8Array {
  const tokens = hex.match(/"[^"]*"|'[^']*'|\[\d+:[0-9a-fA-F]{2}\]|[0-9a-fA-F]+|\S/g) ?? [];
  let at = 0;
  const group = (): Buffer => {
    const parts: Buffer[] = [];
    for (; at < tokens.length && tokens[at] !== ")"; at++) {
      const token = tokens[at]!;
      if (token === "(") {
        at++;
        const inner = group();
        parts.push(variableByteInteger(inner.length), inner);
      } else if (token.startsWith("'")) parts.push(Buffer.from(token.slice(1, -1)));
      else if (token.startsWith('"')) {
        const string = Buffer.from(token.slice(1, -1));
        parts.push(Buffer.from([string.length >> 8, string.length & 0xff]), string);
      } else if (token.startsWith("[")) {
        const [count, byte] = token.slice(1, -1).split(":");
        parts.push(Buffer.alloc(Number(count), Number.parseInt(byte!, 16)));
      } else if (/^([0-9a-fA-F]{2})+$/.test(token)) parts.push(Buffer.from(token, "hex"));
      else throw new Error(`cannot read ${JSON.stringify(token)} in ${hex}`);
    }
    return Buffer.concat(parts);
  };
  const bytes = group();
  if (at !== tokens.length) throw new Error(`a ) too many in ${hex}`);
  return bytes;
}

function variableByteInteger(value: number): Buffer {
  const bytes: number[] = [];
  do {
    bytes.push((value & 127) | (value > 127 ? 128 : 0));
    value >>>= 7;
  } while (value > 0);
  return Buffer.from(bytes);
}
