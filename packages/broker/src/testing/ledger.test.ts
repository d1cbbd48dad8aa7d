import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet, Properties, QoS, SubscriptionRequest } from "@sericite/protocol";
import { FakeClock } from "./fake-clock.ts";
import type { LedgerConnection } from "./ledger-connection.ts";
import { Ledger } from "./ledger.ts";

/** A day at the broker, played by hand: what passes its ends of the links. */
class Play {
  readonly clock = new FakeClock();
  readonly ledger = new Ledger({
    clock: this.clock,
    maximumExpiry: 604_800,
    retryIntervalMs: 10_000,
    mayPark: false,
    mayLag: false,
    mayDrop: false,
    isDenied: (topicName) => topicName === "denied",
  });
  #connections = 0;

  /** CONNECT and its CONNACK. */
  connect(
    clientId: string,
    options: {
      cleanStart?: boolean;
      present?: boolean;
      properties?: Properties;
      willPayload?: string;
      keepAlive?: number;
    } = {},
  ): LedgerConnection {
    this.#connections += 1;
    const connection = this.ledger.connection(`connection ${this.#connections}`);
    const {
      cleanStart = true,
      present = false,
      properties = { sessionExpiryInterval: 300 },
      willPayload,
      keepAlive = 0,
    } = options;
    const will =
      willPayload === undefined
        ? undefined
        : ({ topicName: "will", payload: bytes(willPayload), qos: 1, retain: false } as const);
    this.in(connection, {
      type: "connect",
      protocolVersion: 5,
      clientId,
      cleanStart,
      keepAlive,
      properties,
      will,
    });
    this.out(connection, { type: "connack", sessionPresent: present, reasonCode: 0 });
    return connection;
  }

  in(connection: LedgerConnection, packet: Packet): void {
    connection.chunk();
    connection.received(packet, 20);
  }

  out(connection: LedgerConnection, packet: Packet, size: number = 20): void {
    connection.sent(packet, size);
  }

  subscribe(
    connection: LedgerConnection,
    request: Partial<SubscriptionRequest>,
    packetIdentifier: number = 100,
  ): void {
    const subscription = { topicFilter: "#", qos: 2, ...request } as const;
    this.in(connection, { type: "subscribe", packetIdentifier, subscriptions: [subscription] });
    this.out(connection, { type: "suback", packetIdentifier, reasonCodes: [subscription.qos] });
  }

  /** A PUBLISH at QoS 1 with its PUBACK. */
  publish(
    connection: LedgerConnection,
    payload: string,
    packetIdentifier: number,
    fields: { retain?: boolean; topicName?: string } = {},
  ): void {
    this.in(connection, message(payload, 1, packetIdentifier, fields));
    this.out(connection, { type: "puback", packetIdentifier });
  }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function message(
  payload: string,
  qos: QoS,
  packetIdentifier: number | undefined,
  fields: { dup?: boolean; retain?: boolean; topicName?: string; properties?: Properties } = {},
): Packet {
  return {
    type: "publish",
    topicName: "t",
    payload: bytes(payload),
    qos,
    dup: false,
    retain: false,
    packetIdentifier,
    ...fields,
  };
}

/** Two clients: one that subscribed to everything at QoS 2, one that publishes. */
function two(request: Partial<SubscriptionRequest> = {}): {
  play: Play;
  receiver: LedgerConnection;
  sender: LedgerConnection;
} {
  const play = new Play();
  const receiver = play.connect("receiver");
  play.subscribe(receiver, request);
  return { play, receiver, sender: play.connect("sender") };
}

test("a day without fault brings no complaint", () => {
  const { play, receiver, sender } = two();
  play.publish(sender, "one", 1);
  play.out(receiver, message("one", 1, 7));
  play.in(receiver, { type: "puback", packetIdentifier: 7 });
  play.in(sender, message("two", 2, 2));
  play.out(sender, { type: "pubrec", packetIdentifier: 2 });
  play.out(receiver, message("two", 2, 7));
  play.in(receiver, { type: "pubrec", packetIdentifier: 7 });
  play.out(receiver, { type: "pubrel", packetIdentifier: 7 });
  play.in(receiver, { type: "pubcomp", packetIdentifier: 7 });
  play.in(sender, { type: "pubrel", packetIdentifier: 2 });
  play.out(sender, { type: "pubcomp", packetIdentifier: 2 });
  play.ledger.atRest();
  assert.deepEqual(play.ledger.complaints, []);
});

const faults: readonly [
  what: string,
  complaint: RegExp,
  run: (play: ReturnType<typeof two>) => void,
][] = [
  [
    "a message that nobody published",
    /which nobody published/,
    ({ play, receiver }) => play.out(receiver, message("x", 0, undefined)),
  ],
  [
    "a message twice",
    /delivered once more/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1);
      play.out(receiver, message("one", 1, 7));
      play.out(receiver, message("one", 1, 8));
    },
  ],
  [
    "messages out of order",
    /out of order/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1);
      play.publish(sender, "two", 2);
      play.out(receiver, message("two", 1, 7));
      play.out(receiver, message("one", 1, 8));
    },
  ],
  [
    "a message that never comes",
    /never got t one/,
    ({ play, sender }) => play.publish(sender, "one", 1),
  ],
  [
    "a message after the end of the subscription",
    /no subscription/,
    ({ play, receiver, sender }) => {
      play.in(receiver, { type: "unsubscribe", packetIdentifier: 5, topicFilters: ["#"] });
      play.out(receiver, { type: "unsuback", packetIdentifier: 5, reasonCodes: [0] });
      play.publish(sender, "one", 1);
      play.out(receiver, message("one", 1, 7));
    },
  ],
  [
    "a refused message",
    /may not publish there/,
    ({ play, receiver, sender }) => {
      play.in(sender, message("one", 0, undefined, { topicName: "denied" }));
      play.out(receiver, message("one", 0, undefined, { topicName: "denied" }));
    },
  ],
  [
    "a Packet Identifier in use",
    /is in flight under it/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1);
      play.publish(sender, "two", 2);
      play.out(receiver, message("one", 1, 7));
      play.out(receiver, message("two", 1, 7));
    },
  ],
  [
    "DUP on the first delivery",
    /DUP on the first delivery/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1);
      play.out(receiver, message("one", 1, 7, { dup: true }));
    },
  ],
  [
    "a resend on a live connection of 5.0",
    /sent again on a live connection/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1);
      play.out(receiver, message("one", 1, 7));
      play.out(receiver, message("one", 1, 7, { dup: true }));
    },
  ],
  [
    "a resend without DUP",
    /without DUP/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1);
      play.out(receiver, message("one", 1, 7));
      receiver.closed("lost");
      play.out(
        play.connect("receiver", { cleanStart: false, present: true }),
        message("one", 1, 7),
      );
    },
  ],
  [
    "something new before what is in flight",
    /in flight from an earlier connection/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1);
      play.out(receiver, message("one", 1, 7));
      receiver.closed("lost");
      const next = play.connect("receiver", { cleanStart: false, present: true });
      play.publish(sender, "two", 2);
      play.out(next, message("two", 1, 8));
    },
  ],
  [
    "what is in flight not sent again",
    /was not sent again/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1);
      play.out(receiver, message("one", 1, 7));
      receiver.closed("lost");
      play.connect("receiver", { cleanStart: false, present: true });
    },
  ],
  [
    "RETAIN on an ordinary delivery",
    /RETAIN 1 on an ordinary delivery/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1, { retain: true });
      play.out(receiver, message("one", 1, 7, { retain: true }));
      play.out(receiver, message("one", 1, 8, { retain: true }));
    },
  ],
  [
    "a QoS above the granted one",
    /published with 1/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1);
      play.out(receiver, message("one", 2, 7));
    },
  ],
  [
    "a Will of a client that is connected",
    /whose client is connected/,
    ({ play, receiver }) => {
      play.connect("willing", { willPayload: "gone" });
      play.out(receiver, message("gone", 1, 7, { topicName: "will" }));
    },
  ],
  [
    "a Will after DISCONNECT",
    /its client said DISCONNECT/,
    ({ play, receiver }) => {
      const willing = play.connect("willing", { willPayload: "gone" });
      play.in(willing, { type: "disconnect" });
      willing.closed("asked");
      play.out(receiver, message("gone", 1, 7, { topicName: "will" }));
    },
  ],
  [
    "a Will that never comes",
    /never got will gone/,
    ({ play }) => {
      play.connect("willing", { willPayload: "gone" }).closed("lost");
      play.clock.moveTo(5000);
    },
  ],
  [
    "acknowledgements out of order",
    /out of order, 1 comes first/,
    ({ play, sender }) => {
      play.in(sender, message("one", 1, 1));
      play.in(sender, message("two", 1, 2));
      play.out(sender, { type: "puback", packetIdentifier: 2 });
    },
  ],
  [
    "a request without answer",
    /SUBSCRIBE 5 was never answered/,
    ({ play, sender }) => {
      play.in(sender, {
        type: "subscribe",
        packetIdentifier: 5,
        subscriptions: [{ topicFilter: "x", qos: 0 }],
      });
    },
  ],
  [
    "a session that is gone",
    /its session is gone/,
    ({ play, sender }) => {
      sender.closed("lost");
      play.connect("sender", { cleanStart: false, present: false });
    },
  ],
  [
    "a session that has ended",
    /its session has ended/,
    ({ play, sender }) => {
      sender.closed("lost");
      play.clock.moveTo(302_000);
      play.connect("sender", { cleanStart: false, present: true });
    },
  ],
  [
    "an old connection that is not ended",
    /though connection 3 took its session over/,
    ({ play }) => {
      play.connect("sender", { cleanStart: false, present: true });
    },
  ],
  [
    "a silent client that is kept",
    /Keep Alive 10 s/,
    ({ play }) => {
      play.connect("silent", { keepAlive: 10 });
      play.clock.moveTo(20_000);
    },
  ],
  [
    "a packet that is too large",
    /the client takes 40/,
    ({ play }) => {
      const small = play.connect("small", { properties: { maximumPacketSize: 40 } });
      play.out(small, { type: "pingresp" }, 41);
    },
  ],
  [
    "more than Receive Maximum",
    /Receive Maximum 1/,
    ({ play, sender }) => {
      const slow = play.connect("slow", { properties: { receiveMaximum: 1 } });
      play.subscribe(slow, { topicFilter: "t" });
      play.publish(sender, "one", 1);
      play.publish(sender, "two", 2);
      play.out(slow, message("one", 1, 7));
      play.out(slow, message("two", 1, 8));
    },
  ],
  [
    "a retained message that is not sent",
    /never got what t has retained/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1, { retain: true });
      play.out(receiver, message("one", 1, 7));
      play.subscribe(sender, { topicFilter: "t" });
    },
  ],
  [
    "a retained message that was cleared",
    /not what is retained there/,
    ({ play, receiver, sender }) => {
      play.publish(sender, "one", 1, { retain: true });
      play.out(receiver, message("one", 1, 7));
      play.publish(sender, "", 2, { retain: true });
      const late = play.connect("late");
      play.subscribe(late, { topicFilter: "t" });
      play.out(late, message("one", 1, 7, { retain: true }));
    },
  ],
];

for (const [what, complaint, run] of faults) {
  test(`the ledger complains of ${what}`, () => {
    const players = two();
    run(players);
    players.play.ledger.atRest();
    assert.match(players.play.ledger.complaints.join("\n"), complaint);
  });
}

test("the ledger complains of No Local that is forgotten", () => {
  const { play, receiver } = two({ noLocal: true });
  play.publish(receiver, "mine", 1);
  play.out(receiver, message("mine", 1, 7));
  assert.match(play.ledger.complaints.join("\n"), /only one with No Local/);
});
