import type { ConnectPacket, Packet, ProtocolVersion } from "@sericite/protocol";
import type { Case, Step } from "./case.ts";
import { WireConnection } from "./wire-connection.ts";

/** Where the broker is, and how patient to be. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** How long an expected packet may take. Milliseconds. Default 2000. */
  readonly patienceMs?: number;
}

/** What a case came to. */
export interface Outcome {
  readonly id: string;
  readonly version: ProtocolVersion;
  readonly passed: boolean;
  /** What was seen and what was expected, and at which step. */
  readonly fault: string | undefined;
}

let runs = 0;
const runName = process.pid.toString(36);

/** Runs one case in one version against a broker. */
export async function runCase(
  one: Case,
  version: ProtocolVersion,
  target: Target,
): Promise<Outcome> {
  const run = new Run(target, version, `${runName}${(runs++).toString(36)}`);
  const steps = typeof one.steps === "function" ? one.steps(version) : one.steps;
  let at = 0;
  try {
    for (; at < steps.length; at++) await run.step(steps[at]!);
    return { id: one.id, version, passed: true, fault: undefined };
  } catch (error) {
    const fault = `step ${at + 1} ${JSON.stringify(steps[at], shown)}: ${error instanceof Error ? error.message : String(error)}`;
    return { id: one.id, version, passed: false, fault };
  } finally {
    run.close();
  }
}

class Run {
  readonly #target: Target;
  readonly #version: ProtocolVersion;
  readonly #text: string;
  readonly #connections = new Map<string, WireConnection>();
  readonly #all: WireConnection[] = [];
  readonly #patience: number;

  constructor(target: Target, version: ProtocolVersion, text: string) {
    this.#target = target;
    this.#version = version;
    this.#text = text;
    this.#patience = target.patienceMs ?? 2000;
  }

  close(): void {
    for (const connection of this.#all) connection.destroy();
  }

  #connection(name: string): WireConnection {
    const connection = this.#connections.get(name);
    if (connection === undefined) throw new Error(`the case names ${name} before it is opened`);
    return connection;
  }

  async #open(name: string): Promise<WireConnection> {
    const connection = await WireConnection.open(
      this.#target.host,
      this.#target.port,
      this.#version,
    );
    this.#connections.set(name, connection);
    this.#all.push(connection);
    return connection;
  }

  async step(step: Step): Promise<void> {
    if ("connect" in step) {
      const connection = await this.#open(step.connect);
      const connect: ConnectPacket = {
        type: "connect",
        protocolVersion: this.#version,
        clientId: `{t}${step.connect}`,
        cleanStart: true,
        keepAlive: 0,
        ...step.with,
      };
      connection.send(this.#named(connect));
      await this.#expect(connection, { type: "connack", reasonCode: 0, ...step.connack }, []);
    } else if ("open" in step) await this.#open(step.open);
    else if ("send" in step) {
      const connection = this.#connection(step.send);
      if ("hex" in step.packet) connection.sendBytes(this.#bytes(step.packet.hex));
      else connection.send(this.#named(step.packet));
    } else if ("expect" in step)
      await this.#expect(this.#connection(step.expect), step.packet, step.skipping ?? []);
    else if ("expectAll" in step)
      await this.#expectAll(this.#connection(step.expectAll), step.packets);
    else if ("expectHex" in step) {
      const received = await this.#connection(step.expectHex).next(this.#patience);
      const seen = received === undefined ? "nothing" : Buffer.from(received.bytes).toString("hex");
      const expected = Buffer.from(this.#bytes(step.hex)).toString("hex");
      if (seen !== expected) throw new Error(`expected ${expected}, got ${seen}`);
    } else if ("expectClosed" in step) await this.#expectClosed(step);
    else if ("expectNothing" in step) {
      const connection = this.#connection(step.expectNothing);
      if (step.ms !== undefined) await sleep(step.ms);
      connection.ping();
      await this.#expect(connection, { type: "pingresp" }, []);
    } else if ("cut" in step) this.#connection(step.cut).cut();
    else if ("disconnect" in step) {
      const connection = this.#connection(step.disconnect);
      connection.send({ type: "disconnect", ...step.with } as Packet);
      if (!(await connection.closed(this.#patience))) {
        connection.end();
        throw new Error("the broker does not close after DISCONNECT");
      }
    } else if ("wait" in step) await sleep(step.wait);
    else {
      const connection = this.#connection(step.answer);
      connection.send({
        type: step.type,
        packetIdentifier: connection.lastIdentifier,
        reasonCode: step.reasonCode,
      });
    }
  }

  async #expect(
    connection: WireConnection,
    pattern: Readonly<Record<string, unknown>>,
    skipping: readonly string[],
  ): Promise<void> {
    for (;;) {
      const received = await connection.next(this.#patience);
      if (received === undefined)
        throw new Error(connection.isClosed ? "the broker closed the connection" : "nothing came");
      if (skipping.includes(received.packet.type)) continue;
      const fault = this.#differs(received.packet, pattern);
      if (fault !== undefined)
        throw new Error(`${fault}; got ${JSON.stringify(received.packet, shown)}`);
      return;
    }
  }

  async #expectAll(
    connection: WireConnection,
    patterns: readonly Readonly<Record<string, unknown>>[],
  ): Promise<void> {
    const left = [...patterns];
    while (left.length > 0) {
      const received = await connection.next(this.#patience);
      if (received === undefined)
        throw new Error(`nothing came for ${JSON.stringify(left, shown)}`);
      const at = left.findIndex((pattern) => this.#differs(received.packet, pattern) === undefined);
      if (at < 0) throw new Error(`not expected: ${JSON.stringify(received.packet, shown)}`);
      left.splice(at, 1);
    }
  }

  async #expectClosed(step: Extract<Step, { expectClosed: string }>): Promise<void> {
    const connection = this.#connection(step.expectClosed);
    const received = await connection.next(this.#patience);
    if (received !== undefined) {
      if (step.after === undefined)
        throw new Error(
          `expected no packet before the close, got ${JSON.stringify(received.packet, shown)}`,
        );
      const fault = this.#differs(received.packet, step.after);
      if (fault !== undefined)
        throw new Error(
          `before the close: ${fault}; got ${JSON.stringify(received.packet, shown)}`,
        );
      const more = await connection.next(this.#patience);
      if (more !== undefined)
        throw new Error(`another packet before the close: ${JSON.stringify(more.packet, shown)}`);
    } else if (step.must === true)
      throw new Error(`the connection ended without ${JSON.stringify(step.after, shown)}`);
    if (!(await connection.closed(this.#patience)))
      throw new Error("the broker did not close the connection");
  }

  /** Why a packet does not fit, or `undefined`. */
  #differs(
    packet: unknown,
    pattern: Readonly<Record<string, unknown>>,
    path = "",
  ): string | undefined {
    for (const [key, expected] of Object.entries(this.#named(pattern))) {
      const seen = (packet as Record<string, unknown>)[key];
      const where = path === "" ? key : `${path}.${key}`;
      if (expected === null) {
        if (seen !== undefined) return `${where}: expected to be absent`;
      } else if (key === "payload" || seen instanceof Uint8Array) {
        const text = seen instanceof Uint8Array ? Buffer.from(seen).toString() : String(seen);
        if (text !== expected)
          return `${where}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(text)}`;
      } else if (isOneOf(expected)) {
        if (!expected.oneOf.includes(seen))
          return `${where}: expected one of ${JSON.stringify(expected.oneOf)}, got ${JSON.stringify(seen)}`;
      } else if (Array.isArray(expected)) {
        if (JSON.stringify(seen) !== JSON.stringify(expected))
          return `${where}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(seen)}`;
      } else if (typeof expected === "object") {
        if (seen === undefined) return `${where}: expected to be there`;
        const fault = this.#differs(seen, expected as Readonly<Record<string, unknown>>, where);
        if (fault !== undefined) return fault;
      } else if ((seen ?? defaultOf(key)) !== expected)
        return `${where}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(seen)}`;
    }
    return undefined;
  }

  /** Puts this run's own text where `{t}` stands. */
  #named<V>(value: V): V {
    if (typeof value === "string") return value.replaceAll("{t}", this.#text) as V;
    if (Array.isArray(value)) return value.map((item: unknown) => this.#named(item)) as V;
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, this.#named(item)]),
    ) as V;
  }

  /** Hex with spaces; `'text'` stands for its bytes, `{t}` in it for this run's text, `"text"` for a UTF-8 string with its length. */
  #bytes(hex: string): Uint8Array {
    const parts: Buffer[] = [];
    for (const token of hex.match(/"[^"]*"|'[^']*'|[0-9a-fA-F]+/g) ?? []) {
      if (token.startsWith("'")) parts.push(Buffer.from(this.#named(token.slice(1, -1))));
      else if (token.startsWith('"')) {
        const text = Buffer.from(this.#named(token.slice(1, -1)));
        parts.push(Buffer.from([text.length >> 8, text.length & 0xff]), text);
      } else parts.push(Buffer.from(token, "hex"));
    }
    return Buffer.concat(parts);
  }
}

function isOneOf(value: unknown): value is { oneOf: readonly unknown[] } {
  return typeof value === "object" && value !== null && "oneOf" in value;
}

/** Fields that the decoder leaves out where they have their default. */
function defaultOf(key: string): unknown {
  return key === "reasonCode" ? 0 : key === "dup" || key === "retain" ? false : undefined;
}

function shown(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : value;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
