/**
 * Loaded into the process of the command (`--import`): lets the harness, which has a channel to it,
 * ban and unban as a program that embeds the broker would. The answer tells that it is kept.
 */
import { Broker } from "@sericite/broker";

/** What the harness asks for. */
export interface BanRequest {
  /** Names the answer. */
  readonly number: number;
  readonly clientId: string;
  /** Milliseconds; `undefined`: until it is lifted; 0: it is lifted. */
  readonly expiresInMs: number | undefined;
}

// oxlint-disable-next-line typescript/unbound-method -- It is called with its `this` below.
const listen = Broker.prototype.listenAsConfigured;
Broker.prototype.listenAsConfigured = function (this: Broker) {
  process.on("message", (request: BanRequest) => void answer(this, request));
  // The command ends when it wants to, whoever listens.
  process.channel?.unref();
  return listen.call(this);
};

async function answer(broker: Broker, request: BanRequest): Promise<void> {
  const { number, clientId, expiresInMs } = request;
  if (expiresInMs === 0) await broker.unban("clientId", clientId);
  else await broker.ban("clientId", clientId, expiresInMs === undefined ? {} : { expiresInMs });
  process.send?.(number);
}
