import { decodeProperties, encodeProperties, PacketType } from "@sericite/protocol";
import type { Properties, UserProperty } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import { composeMessage } from "./forms.ts";
import type { Message } from "./message.ts";

/**
 * Reads a payload that a client compressed.
 *
 * @param encoding  As its mark calls it: `gzip`, `br`.
 * @returns `undefined` where the platform does not know the encoding, the bytes are broken, or would
 * become more than `maximumBytes`; no more than that is made.
 */
export type Unpack = (
  encoding: string,
  bytes: Uint8Array,
  maximumBytes: number,
) => Uint8Array | undefined;

/** User Property that marks a message whose payload its publisher compressed. */
const ENCODING = "content-encoding";
/** User Property of CONNECT: what a client reads. */
const ACCEPTED = "accept-encoding";

/** What a client says in CONNECT that it reads, such as `gzip, br`; `undefined`: nothing. */
export function acceptedEncodings(
  properties: Properties | undefined,
): readonly string[] | undefined {
  const accepted = valueOf(properties?.userProperties, ACCEPTED);
  return accepted?.split(",").map((encoding) => encoding.trim());
}

function valueOf(
  userProperties: readonly UserProperty[] | undefined,
  wanted: string,
): string | undefined {
  return userProperties?.find(([name]) => name === wanted)?.[1];
}

/** A message as those get it who do not read its encoding. */
interface Unpacked {
  readonly encoding: string;
  readonly message: Message;
}

/** Unpacks messages for those who cannot, once for all of them in a turn. */
export class Unpacking {
  readonly #engine: Engine;
  readonly #unpack: Unpack;
  /** Those of this turn; `undefined`: it goes as it is. */
  readonly #made = new Map<Message, Unpacked | undefined>();
  #turn = -1;

  constructor(engine: Engine, unpack: Unpack) {
    this.#engine = engine;
    this.#unpack = unpack;
  }

  /** The message itself, or, where its payload is in an encoding that is not among `accepted`, an unpacked one. */
  readable(message: Message, accepted: readonly string[] | undefined): Message {
    if (message.propertiesStart === message.propertiesEnd) return message;
    if (this.#turn !== this.#engine.turn) {
      this.#turn = this.#engine.turn;
      this.#made.clear();
    }
    let unpacked = this.#made.get(message);
    if (unpacked === undefined && !this.#made.has(message)) {
      unpacked = this.#make(message);
      this.#made.set(message, unpacked);
    }
    if (unpacked === undefined || accepted?.includes(unpacked.encoding) === true) return message;
    return unpacked.message;
  }

  #make(message: Message): Unpacked | undefined {
    const encoded = message.properties();
    const properties = decodeProperties(encoded, 0, encoded.length, PacketType.publish);
    const { userProperties } = properties;
    const encoding = valueOf(userProperties, ENCODING);
    if (encoding === undefined) return undefined;
    const { counters, settings } = this.#engine;
    const payload = this.#unpack(encoding, message.payload(), settings.mqtt.unpackBytes);
    if (payload === undefined) {
      counters.unpackFailures++;
      return undefined;
    }
    counters.unpacked++;
    const others = userProperties!.filter(([name]) => name !== ENCODING);
    const { topic, qos, retain, publisher, expiresAt } = message;
    const plain = composeMessage(message.number, {
      topic,
      payload,
      properties: encodeProperties({ ...properties, userProperties: others }, PacketType.publish),
      qos,
      retain,
      publisher,
      expiresAt,
    });
    return { encoding, message: plain };
  }
}
