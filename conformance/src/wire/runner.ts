import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectPacket, Packet, ProtocolVersion } from "@sericite/protocol";
import type { Case, Feature, Pattern, Profile, Sent, Step } from "./case.ts";
import { differs, shown } from "./differs.ts";
import { hexBytes } from "./hex-bytes.ts";
import type { Address } from "./transport.ts";
import { WireConnection } from "./wire-connection.ts";
import type { Received } from "./wire-connection.ts";

/** What can be done to a broker but by its wire. */
export interface BrokerControl {
  disconnectClient(clientId: string): Promise<void>;
  close(): Promise<void>;
}

/** The broker that is asked, and how patient to be. */
export interface Target extends Address {
  /** How long an expected packet may take. Milliseconds. Default 2000. */
  readonly patienceMs?: number;
  /** What the standard only recommends has to be as well: of our own broker. */
  readonly isOurs?: boolean;
  /** How the broker is set up. */
  readonly profile: Profile;
  readonly features: ReadonlySet<Feature>;
  readonly control?: BrokerControl;
}

/** What a case came to. */
export interface Outcome {
  readonly id: string;
  readonly version: ProtocolVersion;
  readonly result: "passed" | "failed" | "skipped";
  /** What was seen and what was expected, and at which step; why it was skipped. */
  readonly reason: string | undefined;
  /** Where the broker differs from what we expect and the standard leaves room. */
  readonly notes: readonly string[];
}

/** Why a case cannot be put to this broker, or `undefined`. */
export function skipReason(
  one: Case,
  version: ProtocolVersion,
  target: Target,
): string | undefined {
  const profile = one.profile ?? "default";
  if (profile !== target.profile) return `needs a broker that is set up as "${profile}"`;
  const needs: Feature[] = [...(one.needs ?? [])];
  if (version === 3) needs.push("mqtt-3.1");
  const missing = needs.find((feature) => !target.features.has(feature));
  if (missing !== undefined) return `the broker has no ${missing}`;
  const steps = stepsOf(one, version);
  if (target.control === undefined && steps.some((step) => "broker" in step))
    return "needs a broker in this process";
  return undefined;
}

/** The steps of a case in one version. */
export function stepsOf(one: Case, version: ProtocolVersion): readonly Step[] {
  return typeof one.steps === "function" ? one.steps(version) : one.steps;
}

let runs = 0;
const runName = process.pid.toString(36);

/** Runs one case in one version against a broker. */
export async function runCase(
  one: Case,
  version: ProtocolVersion,
  target: Target,
): Promise<Outcome> {
  const skipped = skipReason(one, version, target);
  if (skipped !== undefined)
    return { id: one.id, version, result: "skipped", reason: skipped, notes: [] };
  const run = new Run(target, version, `${runName}${(runs++).toString(36)}`);
  const steps = stepsOf(one, version);
  let at = 0;
  try {
    for (; at < steps.length; at++) await run.step(steps[at]!);
    return { id: one.id, version, result: "passed", reason: undefined, notes: run.notes };
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    const reason = `step ${at + 1} ${JSON.stringify(steps[at], shown)}: ${fault}`;
    if (one.leaves !== undefined && target.isOurs !== true) {
      const notes = [...run.notes, `${reason}. Left to the broker: ${one.leaves}`];
      return { id: one.id, version, result: "passed", reason: undefined, notes };
    }
    return { id: one.id, version, result: "failed", reason, notes: run.notes };
  } finally {
    run.close();
  }
}

/** One case under way. */
class Run {
  readonly #target: Target;
  readonly #version: ProtocolVersion;
  readonly #text: string;
  readonly #connections = new Map<string, WireConnection>();
  readonly #all: WireConnection[] = [];
  readonly #patience: number;
  readonly notes: string[] = [];

  constructor(target: Target, version: ProtocolVersion, text: string) {
    this.#target = target;
    this.#version = version;
    this.#text = text;
    this.#patience = target.patienceMs ?? 2000;
  }

  close(): void {
    for (const connection of this.#all) connection.cut();
  }

  #connection(name: string): WireConnection {
    const connection = this.#connections.get(name);
    if (connection === undefined) throw new Error(`the case names ${name} before it is opened`);
    return connection;
  }

  async #open(
    name: string,
    { via, version, subprotocols }: Extract<Step, { open: string } | { connect: string }>,
  ): Promise<WireConnection> {
    const connection = await WireConnection.open(
      this.#target,
      version ?? this.#version,
      via === "websocket" ? (subprotocols ?? ["mqtt"]) : undefined,
    );
    connection.lastIdentifier = this.#connections.get(name)?.lastIdentifier ?? 0;
    this.#connections.set(name, connection);
    this.#all.push(connection);
    return connection;
  }

  async step(step: Step): Promise<void> {
    if ("connect" in step) await this.#connect(step);
    else if ("open" in step) {
      const { subprotocol } = await this.#open(step.open, step);
      if (step.subprotocol !== undefined && subprotocol !== step.subprotocol)
        throw new Error(`expected subprotocol ${step.subprotocol}, got ${subprotocol}`);
    } else if ("send" in step) await this.#send(this.#connection(step.send), step);
    else if ("sendText" in step)
      this.#connection(step.sendText).sendText(hexBytes(this.#named(step.hex)));
    else if ("expect" in step)
      await this.#expect(this.#connection(step.expect), step.packet, step.skipping ?? []);
    else if ("expectAll" in step) await this.#expectAmong([step.expectAll], step.packets);
    else if ("expectAmong" in step) await this.#expectAmong(step.expectAmong, step.packets);
    else if ("expectHex" in step) await this.#expectHex(step);
    else if ("expectClosed" in step) await this.#expectClosed(step);
    else if ("expectNothing" in step) {
      const connection = this.#connection(step.expectNothing);
      if (step.ms !== undefined) await sleep(step.ms);
      // Twice: PINGRESP may overtake what the broker was about to send.
      for (let i = 0; i < 2; i++) {
        connection.ping();
        await this.#expect(connection, { type: "pingresp" }, []);
      }
    } else if ("cut" in step) this.#connection(step.cut).cut();
    else if ("end" in step) this.#connection(step.end).end();
    else if ("disconnect" in step) {
      const connection = this.#connection(step.disconnect);
      connection.send({ type: "disconnect", ...step.with } as Packet);
      await this.#expectClosed({ expectClosed: step.disconnect });
    } else if ("wait" in step) await sleep(step.wait);
    else if ("answer" in step) {
      const connection = this.#connection(step.answer);
      const { lastIdentifier: packetIdentifier } = connection;
      connection.send({ type: step.type, packetIdentifier, reasonCode: step.reasonCode });
    } else if (step.broker === "close") await this.#target.control!.close();
    else await this.#target.control!.disconnectClient(this.#named(step.clientId));
  }

  async #connect(step: Extract<Step, { connect: string }>): Promise<void> {
    const connection = await this.#open(step.connect, step);
    const connect: ConnectPacket = {
      type: "connect",
      protocolVersion: connection.version,
      clientId: `{t}${step.connect}`,
      cleanStart: true,
      keepAlive: 0,
      ...step.with,
    };
    connection.send(this.#named(connect));
    await this.#expect(connection, { type: "connack", reasonCode: 0, ...step.connack }, []);
  }

  async #send(
    connection: WireConnection,
    step: { readonly packet: Sent; readonly pieces?: number },
  ): Promise<void> {
    if (!("hex" in step.packet)) return connection.send(this.#named(step.packet));
    const bytes = hexBytes(this.#named(step.packet.hex));
    const size = step.pieces ?? bytes.length;
    for (let at = 0; at < bytes.length; at += size) {
      connection.sendBytes(bytes.subarray(at, at + size));
      if (step.pieces !== undefined) await sleep(1);
    }
  }

  async #expect(
    connection: WireConnection,
    pattern: Pattern,
    skipping: readonly string[],
  ): Promise<void> {
    for (;;) {
      const received = await connection.next(this.#patience);
      if (received === undefined)
        throw new Error(connection.isClosed ? "the broker closed the connection" : "nothing came");
      if (skipping.includes(received.packet.type)) continue;
      const fault = differs(received.packet, this.#named(pattern));
      if (fault !== undefined)
        throw new Error(`${fault}; got ${JSON.stringify(received.packet, shown)}`);
      return;
    }
  }

  async #expectAmong(names: readonly string[], patterns: readonly Pattern[]): Promise<void> {
    const connections = names.map((name) => this.#connection(name));
    const left = patterns.map((pattern) => this.#named(pattern));
    const deadline = performance.now() + this.#patience;
    while (left.length > 0) {
      const received = firstOf(connections);
      if (received === undefined) {
        const rest = deadline - performance.now();
        if (rest <= 0 || connections.every(({ isClosed }) => isClosed))
          throw new Error(`nothing came for ${JSON.stringify(left, shown)}`);
        await Promise.race(connections.map((connection) => connection.change(rest)));
        continue;
      }
      const at = left.findIndex((pattern) => differs(received.packet, pattern) === undefined);
      if (at < 0) throw new Error(`not expected: ${JSON.stringify(received.packet, shown)}`);
      left.splice(at, 1);
    }
  }

  async #expectHex(step: Extract<Step, { expectHex: string }>): Promise<void> {
    const received = await this.#connection(step.expectHex).next(this.#patience);
    const seen = received === undefined ? "nothing" : Buffer.from(received.bytes).toString("hex");
    const expected = Buffer.from(hexBytes(this.#named(step.hex))).toString("hex");
    if (seen !== expected) throw new Error(`expected ${shorten(expected)}, got ${shorten(seen)}`);
  }

  async #expectClosed(step: Extract<Step, { expectClosed: string }>): Promise<void> {
    const connection = this.#connection(step.expectClosed);
    let received = await connection.next(this.#patience);
    while (received !== undefined && step.skipping?.includes(received.packet.type) === true)
      received = await connection.next(this.#patience);
    // Before 5.0 a Server has no DISCONNECT.
    const after =
      step.after?.["type"] === "disconnect" && connection.version < 5 ? undefined : step.after;
    if (received !== undefined) this.#judgeLast(received.packet, after, step.must === true);
    else if (after !== undefined && connection.isClosed) {
      const what = `the connection ended without ${JSON.stringify(after, shown)}`;
      this.#demand(step.must === true, what);
    }
    const more = await connection.next(this.#patience);
    if (more !== undefined)
      throw new Error(`another packet before the close: ${JSON.stringify(more.packet, shown)}`);
    if (!(await connection.closed(this.#patience)))
      throw new Error("the broker did not close the connection");
  }

  /** Looks at the packet that came before a close. */
  #judgeLast(packet: Packet, after: Pattern | undefined, must: boolean): void {
    const got = JSON.stringify(packet, shown);
    if (after === undefined) throw new Error(`expected no packet before the close, got ${got}`);
    if (packet.type !== after["type"])
      throw new Error(`expected ${String(after["type"])} before the close, got ${got}`);
    const fault = differs(packet, this.#named(after));
    if (fault !== undefined) this.#demand(must, `before the close: ${fault}; got ${got}`);
  }

  /** Something that the standard demands, or only recommends. */
  #demand(must: boolean, fault: string): void {
    if (must || this.#target.isOurs === true) throw new Error(fault);
    this.notes.push(fault);
  }

  /** Puts this run's own text where `{t}` stands, and assigned Client Identifiers. */
  #named<V>(value: V): V {
    if (typeof value === "string") {
      return value
        .replaceAll("{t}", this.#text)
        .replaceAll(/\{id (\w+)\}/g, (_all, name: string) => {
          const assigned = this.#connection(name).assignedClientIdentifier;
          if (assigned === undefined) throw new Error(`${name} was assigned no Client Identifier`);
          return assigned;
        }) as V;
    }
    if (Array.isArray(value)) return value.map((item: unknown) => this.#named(item)) as V;
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
    if ("lastIdentifier" in value)
      return this.#connection(value.lastIdentifier as string).lastIdentifier as V;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, this.#named(item)]),
    ) as V;
  }
}

/** The next packet that has come on any of the connections. */
function firstOf(connections: readonly WireConnection[]): Received | undefined {
  for (const connection of connections) {
    const received = connection.take();
    if (received !== undefined) return received;
  }
  return undefined;
}

function shorten(hex: string): string {
  return hex.length <= 200 ? hex : `${hex.slice(0, 200)}… (${hex.length / 2} bytes)`;
}
