import { RequestError } from "./errors.ts";
import type { Payload } from "./message.ts";
import { payloadText } from "./message.ts";

/** Turns values into payloads and back. */
export interface PayloadCodec<Value = unknown> {
  /** 5.0: goes along as Content Type. */
  readonly contentType?: string | undefined;
  encode(value: Value): Payload;
  /** @throws RequestError ERR_PAYLOAD_INVALID where the payload is none of its kind. */
  decode(payload: Uint8Array): Value;
}

/** Values as JSON in UTF-8. */
export const jsonCodec: PayloadCodec = {
  contentType: "application/json",
  encode(value) {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined)
      throw new RequestError("ERR_PAYLOAD_INVALID", `${typeof value} cannot be written as JSON`);
    return text;
  },
  decode(payload) {
    try {
      return JSON.parse(payloadText(payload)) as unknown;
    } catch (cause) {
      throw new RequestError("ERR_PAYLOAD_INVALID", "the payload is not JSON", {
        cause,
        reasonCode: 0x99,
      });
    }
  },
};

/** Text in UTF-8. */
export const textCodec: PayloadCodec<string> = {
  contentType: "text/plain;charset=utf-8",
  encode: (value) => value,
  decode: payloadText,
};

/** The bytes as they are. */
export const bytesCodec: PayloadCodec<Uint8Array> = {
  encode: (value) => value,
  decode: (payload) => payload,
};
