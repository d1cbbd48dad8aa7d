import type { Properties, PublishPacket } from "@sericite/protocol";
import { ReasonCode, TopicAliasOutbound, encodeClientPacket } from "@sericite/protocol";
import type { ClientState } from "./client-state.ts";
import type { Connection } from "./connection.ts";
import { RequestError } from "./errors.ts";
import type { Publication } from "./publication.ts";
import { reject } from "./publication.ts";
import type { ServerLimits } from "./server-limits.ts";

/** Makes PUBLISH packets: Topic Aliases, what is left of the Message Expiry Interval, Maximum Packet Size. */
export class PublishEncoder {
  readonly #state: ClientState;
  #aliases = new TopicAliasOutbound(0);

  constructor(state: ClientState) {
    this.#state = state;
  }

  /** A connection is there: its Topic Aliases begin anew [MQTT5-3.3.2-7], and go up to the server's maximum [MQTT5-3.3.2-9]. */
  connected(limits: ServerLimits): void {
    this.#aliases = new TopicAliasOutbound(limits.topicAliasMaximum);
  }

  /**
   * Appends a PUBLISH to the connection's output.
   *
   * @param packetIdentifier  0: none, at QoS 0.
   * @returns false if it cannot be sent: its promise is rejected.
   */
  encode(
    publication: Publication,
    packetIdentifier: number,
    dup: boolean,
    connection: Connection,
    limits: ServerLimits,
    now: number,
  ): boolean {
    const output = connection.output;
    const start = output.position;
    const { protocolVersion } = this.#state.settings;
    const packet: PublishPacket = {
      type: "publish",
      topicName: publication.topicName,
      payload: publication.payload,
      qos: publication.qos,
      dup, // [MQTT5-3.3.1-1] [MQTT3-3.3.1-1]
      retain: publication.retain,
      packetIdentifier: packetIdentifier === 0 ? undefined : packetIdentifier,
      properties: protocolVersion === 5 ? this.#propertiesToSend(publication, now) : undefined,
    };
    try {
      this.#assignAlias(packet, publication, limits);
      encodeClientPacket(packet, protocolVersion, output);
      const size = output.position - start;
      if (size <= limits.maximumPacketSize) return true;
      // [MQTT5-3.2.2-15]
      throw new RequestError(
        "ERR_PACKET_TOO_LARGE",
        `PUBLISH of ${size} bytes, the server takes ${limits.maximumPacketSize}`,
        { reasonCode: ReasonCode.packetTooLarge },
      );
    } catch (error) {
      // Whatever it is, it is this message's own fault, and the others go on.
      output.position = start;
      // The server may not get the alias that was given out: begin anew.
      this.#aliases = new TopicAliasOutbound(limits.topicAliasMaximum);
      reject(publication, error as Error);
      return false;
    }
  }

  #assignAlias(packet: PublishPacket, publication: Publication, limits: ServerLimits): void {
    if (limits.topicAliasMaximum === 0) return;
    const topicAlias = this.#aliases.assign(publication.topicName);
    if (topicAlias === 0) return;
    packet.properties = { ...packet.properties, topicAlias };
    if (!this.#aliases.isNew) packet.topicName = "";
  }

  #propertiesToSend(publication: Publication, now: number): Properties | undefined {
    if (publication.expiresAt === Infinity) return publication.properties;
    // It may have waited here; what was sent once goes on all the same [MQTT5-4.3.3-7].
    // Less a trace, since 60 s may come out of the clock's fractions as 60.0000001.
    const remaining = Math.ceil((publication.expiresAt - now) / 1000 - 1e-6);
    const messageExpiryInterval = Math.max(1, remaining);
    return { ...publication.properties, messageExpiryInterval };
  }
}
