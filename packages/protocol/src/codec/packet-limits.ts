import { ReasonCode } from "../reason-code.ts";
import { protocolError } from "./malformed.ts";
import { endOfProperty, scanProperties } from "./scan-properties.ts";
import type { Reader } from "./reader.ts";

const idOfUserProperty = 0x26;

/** How much one packet may hold, above which it is refused (0x97) before objects are made of it. */
export interface PacketBounds {
  /** Topic Filters of a SUBSCRIBE or UNSUBSCRIBE. */
  readonly topicFilters: number;
  /** User Properties, of a packet and of a Will. */
  readonly userProperties: number;
  /** Bytes of all of them, identifiers and lengths included. */
  readonly userPropertyBytes: number;
}

/** Refuses packets that hold more than a server takes. */
export class PacketLimits implements PacketBounds {
  readonly topicFilters: number;
  readonly userProperties: number;
  readonly userPropertyBytes: number;

  constructor({ topicFilters, userProperties, userPropertyBytes }: PacketBounds) {
    this.topicFilters = topicFilters;
    this.userProperties = userProperties;
    this.userPropertyBytes = userPropertyBytes;
  }

  /**
   * Refuses properties with too many User Properties. Allocates nothing, and looks at none where they
   * are too short for it.
   *
   * @throws ProtocolError 0x97, and as `scanProperties` does.
   */
  checkProperties(bytes: Uint8Array, start: number, end: number, packetType: number): void {
    const { userProperties, userPropertyBytes } = this;
    // The identifier, and two lengths of two bytes.
    if (end - start <= 5 * userProperties && end - start <= userPropertyBytes) return;
    scanProperties(bytes, start, end, packetType);
    let count = 0;
    let size = 0;
    let offset = start;
    while (offset < end) {
      const from = offset;
      offset = endOfProperty(bytes, offset, end);
      if (bytes[from] !== idOfUserProperty) continue;
      count++;
      size += offset - from;
    }
    if (count > userProperties)
      throw protocolError(
        `${count} User Properties, at most ${userProperties} are taken`,
        ReasonCode.quotaExceeded,
        "userProperties",
      );
    if (size > userPropertyBytes)
      throw protocolError(
        `User Properties of ${size} bytes, at most ${userPropertyBytes} are taken`,
        ReasonCode.quotaExceeded,
        "userPropertyBytes",
      );
  }

  /**
   * Refuses a SUBSCRIBE or UNSUBSCRIBE with more Topic Filters than are taken, before objects are
   * made of them. What is cut off is left for who reads it.
   *
   * @param optionBytes  Behind each filter.
   * @throws ProtocolError 0x97.
   */
  checkTopicFilters(reader: Reader, optionBytes: 0 | 1, title: string): void {
    const { bytes, position, end } = reader;
    const most = this.topicFilters;
    if (end - position <= (2 + optionBytes) * most) return;
    let count = 0;
    for (let offset = position; offset + 1 < end; count++)
      offset += 2 + optionBytes + ((bytes[offset]! << 8) | bytes[offset + 1]!);
    if (count > most)
      throw protocolError(
        `${title} with ${count} Topic Filters, at most ${most} are taken`,
        ReasonCode.quotaExceeded,
        "topicFilters",
      );
  }
}
