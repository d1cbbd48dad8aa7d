import type { Socket } from "node:net";

/** Told of bytes in `buffer` from 0 to `length`; they are valid during the call only. Answers true: read on. */
export type OnRead = (length: number, buffer: Uint8Array) => true;

/** One for all sockets of the process: each read is handled before the next one happens. */
const readBuffer = new Uint8Array(64 * 1024);

/** What Node has in a socket for its option `onread`. */
type Internals = Socket & {
  _handle?: { useUserBuffer?: (buffer: Uint8Array) => void } | null;
  [key: symbol]: unknown;
};

/** Names of the fields that hold that option; the same in all sockets. */
let keys: { readonly buffer: symbol; readonly callback: symbol } | undefined;

/**
 * Makes an accepted socket read into one buffer that all share, instead of a new one for each read.
 * Node has that for sockets that it connects (`onread`) and not for those that a server accepts. So
 * it is set where Node would set it. That is private, hence the checks: where anything is not as
 * expected, the socket reads by 'data' events.
 *
 * @param socket  Paused since it was accepted.
 */
export function readIntoSharedBuffer(socket: Socket, onRead: OnRead): void {
  const internals = socket as Internals;
  keys ??= keysOf(internals);
  const { _handle: handle } = internals;
  if (
    keys === undefined ||
    internals[keys.buffer] !== null ||
    internals[keys.callback] !== null ||
    typeof handle?.useUserBuffer !== "function"
  )
    return withDataEvents(socket, onRead);
  internals[keys.buffer] = readBuffer;
  internals[keys.callback] = onRead;
  handle.useUserBuffer(readBuffer);
}

function keysOf(socket: Socket): typeof keys {
  const symbols = Object.getOwnPropertySymbols(socket);
  const buffer = symbols.find((symbol) => symbol.description === "kBuffer");
  const callback = symbols.find((symbol) => symbol.description === "kBufferCb");
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback };
}

/** The public way: a buffer for each read. */
export function withDataEvents(socket: Socket, onRead: OnRead): void {
  socket.on("data", (bytes: Uint8Array) => onRead(bytes.length, bytes));
}
