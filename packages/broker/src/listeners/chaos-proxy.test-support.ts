import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

/** What a `ChaosProxy` does to its connections. */
export type Fault = "cut" | "half-close" | "swallow" | "stall";

interface Passage {
  readonly near: Socket;
  readonly far: Socket;
}

/** A network between clients and a port of loopback that delays, splits, swallows and breaks. */
export class ChaosProxy {
  readonly #server: Server;
  readonly #random: () => number;
  readonly #passages = new Set<Passage>();
  readonly #swallowing = new WeakSet<Socket>();
  /** Connections that a fault ended, or left without one direction. */
  cuts = 0;

  private constructor(port: number, random: () => number) {
    this.#random = random;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
      const far = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
      const passage = { near, far };
      this.#passages.add(passage);
      this.#pass(near, far, passage);
      this.#pass(far, near, passage);
    });
  }

  /** Opens a proxy to a port. @param random  0…1, from a seed. */
  static async to(port: number, random: () => number): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(port, random);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  /** Connections that pass through. */
  get connections(): number {
    return this.#passages.size;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Does `fault` to every connection there is. */
  break(fault: Fault): void {
    for (const passage of this.#passages) {
      const { near, far } = passage;
      const one = this.#random() < 0.5 ? near : far;
      if (fault !== "stall") this.cuts++;
      if (fault === "half-close") one.end();
      else if (fault === "swallow") this.#swallowing.add(one);
      else if (fault === "cut") this.#end(passage);
      else {
        one.pause();
        setTimeout(() => one.resume(), 20);
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const passage of this.#passages) this.#end(passage);
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #pass(from: Socket, to: Socket, passage: Passage): void {
    from.on("data", (bytes: Buffer) => {
      if (this.#swallowing.has(from)) return;
      for (let start = 0; start < bytes.length;) {
        const length = this.#random() < 0.3 ? 1 + Math.floor(this.#random() * 50) : bytes.length;
        to.write(bytes.subarray(start, start + length));
        start += length;
      }
    });
    from.on("end", () => to.end());
    for (const event of ["error", "close"]) from.on(event, () => this.#end(passage));
  }

  #end(passage: Passage): void {
    this.#passages.delete(passage);
    passage.near.destroy();
    passage.far.destroy();
  }
}
