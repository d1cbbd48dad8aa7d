import { createConnection } from "node:net";
import WebSocket from "ws";

/** Where a broker listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** Of its WebSocket listener, if it has one. */
  readonly webSocketUrl?: string | undefined;
}

/** What a transport tells. */
export interface TransportListener {
  onBytes(bytes: Uint8Array): void;
  onClose(): void;
}

/** A connection that carries bytes, whatever it is made of. */
export interface Transport {
  /** WebSocket: the subprotocol that the broker chose. */
  readonly subprotocol: string | undefined;
  write(bytes: Uint8Array): void;
  /** WebSocket: a text frame. */
  writeText(bytes: Uint8Array): void;
  /** Closes in order. */
  end(): void;
  /** Cuts. */
  cut(): void;
}

/** Connects by TCP. */
export function connectTcp(address: Address, listener: TransportListener): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: address.host, port: address.port, noDelay: true });
    // Not as a Buffer, which would be printed as one.
    socket.on("data", ({ buffer, byteOffset, length }) =>
      listener.onBytes(new Uint8Array(buffer, byteOffset, length)),
    );
    socket.on("close", () => listener.onClose());
    // A reset is told by "close" as well; before the connection stands it is the reason for none.
    socket.on("error", reject);
    socket.once("connect", () =>
      resolve({
        subprotocol: undefined,
        write: (bytes) => void socket.write(bytes),
        writeText: () => {
          throw new Error("TCP has no text frames");
        },
        end: () => void socket.end(),
        // Node does not let go of a socket that is reset while it ends in order, and never exits then.
        cut: () => void (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy()),
      }),
    );
  });
}

/** Connects by WebSocket. */
export function connectWebSocket(
  address: Address,
  listener: TransportListener,
  subprotocols: readonly string[] = ["mqtt"],
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address.webSocketUrl!, [...subprotocols], {
      perMessageDeflate: false,
    });
    socket.binaryType = "nodebuffer";
    socket.on("message", (data, isBinary) => {
      // A packet of the broker in a text frame is a fault [MQTT5-6.0.0-1]: the parser is to see it.
      listener.onBytes(isBinary ? (data as Buffer) : new Uint8Array([0]));
    });
    socket.on("close", () => listener.onClose());
    socket.on("error", reject);
    socket.once("open", () =>
      resolve({
        subprotocol: socket.protocol,
        write: (bytes) => socket.send(bytes, { binary: true }),
        writeText: (bytes) => socket.send(bytes, { binary: false }),
        end: () => socket.close(),
        cut: () => socket.terminate(),
      }),
    );
  });
}
