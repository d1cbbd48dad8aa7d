import { ReasonCode, UsageError } from "@sericite/protocol";
import { RequestError } from "./errors.ts";
import type { Receipt } from "./receiver.ts";

/** What the acknowledgement of a message says whose handler failed with `error`: its Reason Code, if it has one for this. */
export function refusalOfError(error: unknown): number {
  const reasonCode = error instanceof RequestError ? error.reasonCode : undefined;
  return reasonCode !== undefined && refusals.has(reasonCode)
    ? reasonCode
    : ReasonCode.implementationSpecificError;
}

/** Reason Codes of PUBACK and PUBREC that refuse a message (§3.4.2.1, §3.5.2.1). */
const refusals: ReadonlySet<number> = new Set([
  ReasonCode.unspecifiedError,
  ReasonCode.implementationSpecificError,
  ReasonCode.notAuthorized,
  ReasonCode.topicNameInvalid,
  ReasonCode.packetIdentifierInUse,
  ReasonCode.quotaExceeded,
  ReasonCode.payloadFormatInvalid,
]);

/** The acknowledgement of one message for one subscription, which the receiver of the message gives by hand. */
export class Acknowledgement {
  /** `undefined` at QoS 0. */
  readonly #receipt: Receipt | undefined;
  readonly #mayReject: boolean;
  readonly #onGiven: () => void;
  #isGiven = false;

  /** @param mayReject  5.0: there is a Reason Code for it. */
  constructor(receipt: Receipt | undefined, mayReject: boolean, onGiven: () => void) {
    this.#receipt = receipt;
    this.#mayReject = mayReject;
    this.#onGiven = onGiven;
  }

  /** See `Message.ack`. */
  ack(): void {
    this.#give();
  }

  /** See `Message.reject`. */
  reject(reasonCode: number, reasonString: string | undefined): void {
    if (this.#receipt === undefined)
      throw new UsageError(
        "ERR_USAGE",
        "a QoS 0 message is not acknowledged, so it is not rejected",
      );
    if (!this.#mayReject)
      throw new UsageError("ERR_USAGE", "before MQTT 5.0 a message cannot be rejected");
    if (!refusals.has(reasonCode)) {
      throw new UsageError(
        "ERR_USAGE",
        `reasonCode is ${reasonCode}, expected one that refuses a PUBLISH (0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99)`,
      );
    }
    this.#give(reasonCode, reasonString);
  }

  #give(reasonCode = 0, reasonString?: string): void {
    if (this.#isGiven) return;
    this.#isGiven = true;
    this.#onGiven();
    this.#receipt?.done(reasonCode, reasonString);
  }
}
