import { PacketType, Parser, fromClient } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import { dispatch } from "./dispatch.ts";
import type { Slab } from "./slab.ts";

/** Packets held while a connection is parked, above which nothing more is read. Bytes. */
const HELD_MAXIMUM = 64 * 1024;

/**
 * What a SUBSCRIBE or UNSUBSCRIBE takes of a turn's share besides its own packet. Each changes the topic
 * tree, and takes many times as long as a PUBLISH.
 */
const SUBSCRIBE_COST = 19;

/** Packets of a run between two looks at the clock, counted as `limits.packetsPerTurn` counts them. */
const LOOK_EVERY = 16;
/** Time of a turn that one connection may take, as far as looks at the clock can tell. Milliseconds. */
const SHARE_MS = 1;
/** Time that all connections together may take of a turn; one that comes later handles `LOOK_EVERY` packets. Milliseconds. */
const TURN_MS = 3;

/**
 * What comes in on one connection: bytes to packets, one at a time and in order, a bounded number
 * and a bounded time a turn. While the connection is parked its packets are held; only acknowledgements of our own
 * messages pass, since what everything waits for may wait for them.
 */
export class Intake {
  readonly #connection: Connection;
  readonly #live: Parser;
  /** Reads what was held. */
  #later: Parser | undefined;
  /** The one with the packet that is being handled. */
  parser: Parser;
  /** Holds what was read last. */
  slab: Slab | undefined;
  #held: Uint8Array[] | undefined;
  #heldBytes = 0;
  /** This turn's share is used up. */
  #hasBacklog = false;
  #isRunning = false;
  /** Packets that this turn's share is still good for. */
  #left = 0;
  /** It published while publishers are held: so is it, behind that message. */
  isToBeHeld = false;
  /** What the client did wrong behind packets that are held. */
  #fault: { readonly error: unknown } | undefined;

  constructor(connection: Connection) {
    const { engine } = connection;
    this.#connection = connection;
    this.#live = new Parser({
      from: fromClient,
      maximumPacketSize: engine.settings.mqtt.maximumPacketSize,
      topicNames: engine.topicNames,
      limits: engine.packetLimits,
    });
    this.parser = this.#live;
  }

  /** More was read than is handled yet. */
  get isBehind(): boolean {
    return this.#hasBacklog || this.#held !== undefined || this.#fault !== undefined;
  }

  /** Nothing more should be read at present. */
  get isFull(): boolean {
    return this.#hasBacklog || this.#heldBytes > HELD_MAXIMUM || this.#fault !== undefined;
  }

  /**
   * Takes bytes that are valid during the call, and handles what they complete: what stands behind
   * CONNECT is next, or is held until it is decided.
   */
  take(bytes: Uint8Array, start: number, end: number): void {
    const slab = this.#connection.engine.slabs.room(end - start);
    this.slab = slab;
    const at = slab.used;
    slab.bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
    slab.used = at + end - start;
    this.#live.push(slab.bytes, at, slab.used);
    if (this.isFull) this.#live.hold();
    else this.run();
  }

  /** Forgets what is not handled yet. */
  clear(): void {
    this.#hasBacklog = false;
    this.#held = undefined;
    this.#heldBytes = 0;
    this.#fault = undefined;
    this.isToBeHeld = false;
  }

  /**
   * Handles what was read: held packets first. It stops where its time of the turn is used up, too.
   *
   * @param budget  Packets at most, a SUBSCRIBE or UNSUBSCRIBE counted as twenty; default this turn's share. Infinity: all, however long it takes.
   */
  run(budget: number = this.#connection.engine.settings.limits.packetsPerTurn): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#hasBacklog = false;
    const connection = this.#connection;
    this.#left = budget;
    // Finite: who has no bound of packets has none of time.
    let lookAt = Math.min(budget, Number.MAX_SAFE_INTEGER) - LOOK_EVERY;
    let endsAt = Infinity;
    try {
      while (connection.isAlive) {
        if (this.#left <= lookAt) {
          const { engine } = connection;
          const now = engine.clock.now();
          if (endsAt === Infinity) endsAt = Math.min(now + SHARE_MS, engine.now + TURN_MS);
          if (now >= endsAt) this.#left = 0;
          lookAt = this.#left - LOOK_EVERY;
        }
        if (this.#left-- <= 0) {
          this.#hasBacklog = true;
          this.#live.hold();
          connection.engine.nextTurn(() => this.#goOn());
          break;
        }
        if (!connection.isParked) this.#pauseBetweenPackets();
        const goesOn =
          this.#held !== undefined && !connection.isParked ? this.#runHeld() : this.#runLive();
        if (!goesOn) break;
      }
    } catch (error) {
      connection.caught(error);
    }
    this.#isRunning = false;
    connection.intakeChanged();
  }

  /**
   * Holds a publisher, or makes it wait for its rate. Only between packets: in the midst of one a
   * hook's answer would end the pause.
   */
  #pauseBetweenPackets(): void {
    const connection = this.#connection;
    if (this.isToBeHeld) {
      this.isToBeHeld = false;
      const { heldPublishers } = connection.engine;
      if (heldPublishers.applyTo(connection)) return heldPublishers.hold(connection);
    }
    connection.rate?.pauseIfOver();
  }

  #goOn(): void {
    if (this.#hasBacklog && this.#connection.isAlive) this.run();
  }

  /** @returns whether there may be more to handle now. */
  #runHeld(): boolean {
    const held = this.#held!;
    const bytes = held.shift()!;
    this.#heldBytes -= bytes.length;
    if (held.length === 0) this.#held = undefined;
    const live = this.#live;
    const parser = (this.#later ??= new Parser({
      from: fromClient,
      protocolVersion: live.protocolVersion,
      maximumPacketSize: live.maximumPacketSize,
      topicNames: this.#connection.engine.topicNames,
      limits: this.#connection.engine.packetLimits,
    }));
    parser.push(bytes, 0, bytes.length);
    this.parser = parser;
    this.#handle(parser.next());
    return true;
  }

  #runLive(): boolean {
    const connection = this.#connection;
    if (this.#fault !== undefined) {
      if (connection.isParked) return false;
      const { error } = this.#fault;
      this.#fault = undefined;
      throw error;
    }
    if (this.#heldBytes > HELD_MAXIMUM) {
      this.#live.hold();
      return false;
    }
    this.parser = this.#live;
    if (!connection.isParked) {
      const packetType = this.#live.next();
      if (packetType === 0) return false;
      connection.engine.counters.packetsReceived++;
      this.#handle(packetType);
      return true;
    }
    return this.#runBehindPark();
  }

  #handle(packetType: number): void {
    if (packetType === PacketType.subscribe || packetType === PacketType.unsubscribe)
      this.#left -= SUBSCRIBE_COST;
    dispatch(this.#connection, packetType);
  }

  /** Looks at the next packet of a parked connection. */
  #runBehindPark(): boolean {
    const connection = this.#connection;
    const live = this.#live;
    let packetType: number;
    try {
      packetType = live.next();
    } catch (error) {
      // What came before it still counts.
      this.#fault = { error };
      return false;
    }
    if (packetType === 0) return false;
    connection.engine.counters.packetsReceived++;
    if (connection.state === "open" && passes(packetType)) dispatch(connection, packetType);
    else {
      const bytes = live.bytes.slice(live.start, live.end);
      (this.#held ??= []).push(bytes);
      this.#heldBytes += bytes.length;
    }
    return true;
  }
}

function passes(packetType: number): boolean {
  return (
    packetType === PacketType.puback ||
    packetType === PacketType.pubrec ||
    packetType === PacketType.pubcomp
  );
}
