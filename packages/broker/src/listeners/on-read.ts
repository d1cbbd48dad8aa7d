import { Socket } from "node:net";

/** Told of bytes in `buffer` from 0 to `length`; they are valid during the call only. Answers true: read on. */
export type OnRead = (length: number, buffer: Uint8Array) => true;

/** One for all sockets of the process: each read is handled before the next one happens. */
const readBuffer = new Uint8Array(64 * 1024);

interface Internals {
  _handle?: object | null;
  _server?: unknown;
  server?: unknown;
}

/**
 * Makes an accepted socket read into one buffer that all share, instead of a new one for each read.
 * Node has that for sockets that it connects (`onread`) and not for those that a server accepts;
 * so a second Socket takes over the accepted one's handle. The handle is private, hence the checks:
 * where anything is not as expected, the socket is given back as it is and reads by 'data' events.
 *
 * @param accepted  Paused since it was accepted.
 */
export function readIntoSharedBuffer(accepted: Socket, onRead: OnRead): Socket {
  const from = accepted as Socket & Internals;
  const handle = from._handle;
  if (
    handle === null ||
    typeof handle !== "object" ||
    !("readStart" in handle) ||
    !("useUserBuffer" in handle)
  ) {
    return withDataEvents(accepted, onRead);
  }
  const { _server: server } = from;
  from._handle = null;
  const options = {
    handle,
    allowHalfOpen: true,
    onread: { buffer: readBuffer, callback: onRead },
  };
  const socket = new Socket(options as ConstructorParameters<typeof Socket>[0]) as Socket &
    Internals;
  // Node's own does nothing where half-open is allowed, and two listeners cost each socket an array.
  socket.removeAllListeners("end");
  // The server counts its connections by this field.
  from._server = null;
  socket._server = server;
  socket.server = server;
  return socket;
}

/** The public way: a buffer for each read. */
export function withDataEvents(socket: Socket, onRead: OnRead): Socket {
  socket.on("data", (bytes: Uint8Array) => onRead(bytes.length, bytes));
  return socket;
}
