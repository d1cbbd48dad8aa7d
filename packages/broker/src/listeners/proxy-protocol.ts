import { isIP } from "node:net";

/** Where a connection came from, as a proxy says. */
export interface ProxySource {
  /** Numeric. */
  readonly address: string;
  readonly port: number;
}

/** A PROXY protocol header that is complete. */
export interface ProxyHeader {
  /** Bytes of the header; what follows belongs to the connection. */
  readonly length: number;
  /** Absent where the proxy speaks for itself (its health checks), or names no address: the connection's own counts. */
  readonly source: ProxySource | undefined;
}

/** What the first bytes of a connection are. "incomplete": give more of them. */
export type ProxyReading = ProxyHeader | "incomplete" | "malformed";

/** Version 1 with its line end. Bytes. */
const LONGEST_LINE = 107;
const LINE_START = "PROXY ";
const SIGNATURE = Uint8Array.of(13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10);

/**
 * Reads a PROXY protocol header, version 1 (a line of text) or 2 (binary). Of version 2 the
 * addresses count; the fields behind them (TLVs) are skipped.
 *
 * @param bytes  All of the connection that arrived so far.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyReading {
  if (bytes.length === 0) return "incomplete";
  return bytes[0] === SIGNATURE[0] ? readBinary(bytes) : readLine(bytes);
}

function readLine(bytes: Uint8Array): ProxyReading {
  for (let i = 0; i < LINE_START.length; i += 1) {
    if (i === bytes.length) return "incomplete";
    if (bytes[i] !== LINE_START.charCodeAt(i)) return "malformed";
  }
  const end = bytes.subarray(0, LONGEST_LINE).indexOf(10);
  if (end < 0) return bytes.length < LONGEST_LINE ? "incomplete" : "malformed";
  if (bytes[end - 1] !== 13) return "malformed";
  const length = end + 1;
  const line = String.fromCharCode(...bytes.subarray(0, end - 1));
  const [, family, address, destination, port, destinationPort, ...rest] = line.split(" ");
  if (family === "UNKNOWN") return { length, source: undefined };
  const version = family === "TCP4" ? 4 : family === "TCP6" ? 6 : 0;
  if (version === 0 || rest.length > 0) return "malformed";
  const [from, to] = [portOf(port), portOf(destinationPort)];
  if (!isAddress(address, version) || !isAddress(destination, version)) return "malformed";
  if (from === undefined || to === undefined) return "malformed";
  return { length, source: { address, port: from } };
}

function isAddress(text: string | undefined, version: 4 | 6): text is string {
  // A zone ("%eth0") is no part of an address that another machine could mean.
  return text !== undefined && isIP(text) === version && !text.includes("%");
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^(0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}

const STREAM_OVER_IPV4 = 0x11;
const STREAM_OVER_IPV6 = 0x21;

function readBinary(bytes: Uint8Array): ProxyReading {
  for (let i = 0; i < SIGNATURE.length; i += 1) {
    if (i === bytes.length) return "incomplete";
    if (bytes[i] !== SIGNATURE[i]) return "malformed";
  }
  if (bytes.length < 16) return "incomplete";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [command, family] = [view.getUint8(12), view.getUint8(13)];
  if (command !== 0x20 && command !== 0x21) return "malformed";
  if (family >> 4 > 3 || (family & 15) > 2) return "malformed";
  const length = 16 + view.getUint16(14);
  const isLocal = command === 0x20;
  if (!isLocal && family === STREAM_OVER_IPV4 && length < 16 + 12) return "malformed";
  if (!isLocal && family === STREAM_OVER_IPV6 && length < 16 + 36) return "malformed";
  if (bytes.length < length) return "incomplete";
  if (isLocal) return { length, source: undefined };
  switch (family) {
    case STREAM_OVER_IPV4:
      return {
        length,
        source: { address: bytes.subarray(16, 20).join("."), port: view.getUint16(24) },
      };
    case STREAM_OVER_IPV6:
      return { length, source: { address: formatIPv6(view, 16), port: view.getUint16(48) } };
    default:
      // Unix sockets and datagrams: there is no address of a TCP client in it.
      return { length, source: undefined };
  }
}

/** The form of RFC 5952, as Node writes addresses of sockets; so that one address has one text. */
function formatIPv6(view: DataView, at: number): string {
  const words = Array.from({ length: 8 }, (_, i) => view.getUint16(at + 2 * i));
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  if (isMapped) return [0, 1, 2, 3].map((i) => view.getUint8(at + 12 + i)).join(".");
  let [gapStart, gapLength] = [0, 0];
  for (let i = 0; i < 8; i += 1) {
    let end = i;
    while (end < 8 && words[end] === 0) end += 1;
    if (end - i > gapLength) [gapStart, gapLength] = [i, end - i];
  }
  const text = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(":");
  if (gapLength < 2) return text(0, 8);
  return `${text(0, gapStart)}::${text(gapStart + gapLength, 8)}`;
}
