import type { Clock, TimingWheel } from "@sericite/protocol";
import { PacketIdentifiers } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import type { ClientSettings } from "./options.ts";
import type { SessionRecords } from "./kept-session.ts";
import type { ServerLimits } from "./server-limits.ts";

/** What the parts of one client share. The client alone changes it. */
export class ClientState {
  /** Of the present connection, or of the attempt to make one. */
  settings: ClientSettings;
  readonly clock: Clock;
  readonly wheel: TimingWheel;
  /** One set for PUBLISH, SUBSCRIBE and UNSUBSCRIBE. */
  readonly identifiers: PacketIdentifiers = new PacketIdentifiers();
  /** The connection after its CONNACK, `undefined` while there is none. */
  connection: Connection | undefined = undefined;
  /** Rises with each connection. */
  connectionNumber = 0;
  /** Of the present connection. */
  limits: ServerLimits | undefined = undefined;

  /** Notes what becomes of the session's messages, where there is a store. */
  records: SessionRecords | undefined = undefined;

  constructor(settings: ClientSettings, clock: Clock, wheel: TimingWheel) {
    this.settings = settings;
    this.clock = clock;
    this.wheel = wheel;
  }
}
