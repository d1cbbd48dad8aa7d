import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet, Properties } from "@sericite/protocol";
import { utf8 } from "../spelling.test-support.ts";
import { TestBroker } from "../test-broker.test-support.ts";
import { Answer } from "../testing/index.ts";
import type { WireClient } from "../wire-client.test-support.ts";
import type { AuthenticationStep, Authenticator } from "./ports.ts";

const METHOD = "CHALLENGE";

/** Asks for "1", then "2"; whoever says "wrong" is refused. Answers late where asked. */
function challenges(broker: TestBroker, isLate: boolean): Authenticator {
  return {
    authenticate: () => ({ accepted: true }),
    exchange: (method) => {
      if (method !== METHOD) return undefined;
      let asked = 0;
      const answer = (data: Uint8Array | undefined): AuthenticationStep => {
        const said = Buffer.from(data ?? []).toString();
        if (said === "wrong") return { type: "refuse", reason: "wrong" };
        asked++;
        if (asked <= 2) return { type: "continue", data: utf8(String(asked)) };
        return { type: "accept", data: utf8("welcome"), username: "user" };
      };
      return {
        step: (data) =>
          isLate ? Answer.after(broker.process, 100, () => answer(data)) : answer(data),
      };
    },
  };
}

const sayConnect = (client: WireClient, properties: Properties = {}): void =>
  client.sendConnect("c", {
    properties: { authenticationMethod: METHOD, ...properties },
  });
const sayAuth = (client: WireClient, data: string, reasonCode = 0x18, method = METHOD): void =>
  client.send({
    type: "auth",
    reasonCode,
    properties: { authenticationMethod: method, authenticationData: utf8(data) },
  });

/** What the broker said, with method and data. */
function said(packets: readonly Packet[]): unknown[] {
  return packets.map((packet) => {
    if (packet.type !== "auth" && packet.type !== "connack") return packet.type;
    const { authenticationMethod, authenticationData } = packet.properties ?? {};
    return [
      packet.type,
      packet.reasonCode ?? 0,
      authenticationMethod,
      Buffer.from(authenticationData ?? []).toString(),
    ];
  });
}

for (const isLate of [false, true]) {
  test(`[MQTT5-4.12.0-2] [MQTT5-4.12.0-5] [X-17] an enhanced authentication ${isLate ? "that answers late " : ""}goes on with AUTH 0x18 and ends in CONNACK`, () => {
    const broker = new TestBroker({ authenticator: (self) => challenges(self, isLate) });
    const connected = broker.listen("clientConnected");
    const client = broker.dial();
    sayConnect(client);
    broker.advance(200);
    assert.deepEqual(said(client.take()), [["auth", 0x18, METHOD, "1"]]);
    sayAuth(client, "a");
    broker.advance(200);
    assert.deepEqual(said(client.take()), [["auth", 0x18, METHOD, "2"]]);
    sayAuth(client, "b");
    broker.advance(200);
    assert.deepEqual(said(client.take()), [["connack", 0, METHOD, "welcome"]]);
    assert.equal(connected[0]!.username, "user");
    client.send({ type: "pingreq" });
    assert.deepEqual(client.told(), ["PINGRESP"]);
  });
}

test("[MQTT5-4.12.0-4] the broker may refuse at any step: CONNACK 0x87 and closed", () => {
  for (const steps of [["wrong"], ["a", "wrong"], ["a", "b", "wrong"]]) {
    const broker = new TestBroker({ authenticator: (self) => challenges(self, false) });
    const client = broker.dial();
    sayConnect(client, { authenticationData: utf8(steps[0]!) });
    for (const step of steps.slice(1)) sayAuth(client, step);
    const told = client.told();
    assert.deepEqual(told.slice(-2), ["CONNACK 0x87", "CLOSED"]);
    assert.equal(broker.engine.sessions.size, 0);
  }
});

for (const [what, act] of [
  ["another method", (client: WireClient) => sayAuth(client, "a", 0x18, "OTHER")],
  ["AUTH 0x19", (client: WireClient) => sayAuth(client, "a", 0x19)],
  ["PUBLISH", (client: WireClient) => client.sendPublish("a", "x")],
  ["PINGREQ", (client: WireClient) => client.send({ type: "pingreq" })],
  ["SUBSCRIBE", (client: WireClient) => void client.sendSubscribe([["a", 0]])],
  ["a second CONNECT", (client: WireClient) => sayConnect(client)],
] as const) {
  test(`[MQTT5-3.1.2-30] [X-70] ${what} in the middle of an enhanced authentication ends it`, () => {
    const broker = new TestBroker({ authenticator: (self) => challenges(self, false) });
    const client = broker.dial();
    sayConnect(client);
    client.take();
    act(client);
    const told = client.told();
    assert.equal(told.at(-1), "CLOSED");
    assert.ok(told.length === 1 || told[0] === "CONNACK 0x82", told.join());
    assert.equal(broker.engine.sessions.size, 0);
    assert.equal(broker.engine.counters.publishReceived, 0);
  });
}

test("a client that leaves in the middle with DISCONNECT, or without, is gone", () => {
  for (const leave of [
    (client: WireClient) => client.sendDisconnect(),
    (client: WireClient) => client.drop(),
  ]) {
    const broker = new TestBroker({ authenticator: (self) => challenges(self, false) });
    const client = broker.dial();
    sayConnect(client);
    client.take();
    leave(client);
    broker.advance(10_000);
    assert.equal(broker.engine.connections.size, 0);
    assert.equal(broker.engine.sessions.size, 0);
  }
});

test("an authentication that the client does not go on with ends after mqtt.connectTimeout", () => {
  const broker = new TestBroker({ authenticator: (self) => challenges(self, false) });
  const client = broker.dial();
  sayConnect(client);
  client.take();
  broker.advance(10_000);
  assert.equal(client.told().at(-1), "CLOSED");
});

test("[MQTT5-4.12.0-1] a method that the authenticator does not have is refused with 0x8C", () => {
  const broker = new TestBroker({ authenticator: (self) => challenges(self, false) });
  const client = broker.dial();
  client.sendConnect("c", { properties: { authenticationMethod: "OTHER" } });
  assert.deepEqual(client.told(), ["CONNACK 0x8c", "CLOSED"]);
});

test("[MQTT5-4.12.0-6] without a method in CONNECT there is no AUTH, and none in CONNACK", () => {
  const broker = new TestBroker({ authenticator: (self) => challenges(self, false) });
  const client = broker.connect("c");
  assert.equal(client.connack!.properties!.authenticationMethod, undefined);
});

// --- again

/** A client that went through the steps. */
function authenticated(broker: TestBroker): WireClient {
  const client = broker.dial();
  sayConnect(client);
  sayAuth(client, "a");
  sayAuth(client, "b");
  client.take();
  return client;
}

test("[MQTT5-4.12.1-1] [X-85] re-authentication: AUTH 0x19, steps, AUTH 0x00; other packets flow meanwhile", () => {
  const broker = new TestBroker({ authenticator: (self) => challenges(self, false) });
  const client = authenticated(broker);
  sayAuth(client, "", 0x19);
  client.send({ type: "pingreq" });
  assert.deepEqual(said(client.take()), [["auth", 0x18, METHOD, "1"], "pingresp"]);
  sayAuth(client, "a");
  client.sendPublish("x", "y", { qos: 1 });
  sayAuth(client, "b");
  assert.deepEqual(said(client.take()), [
    ["auth", 0x18, METHOD, "2"],
    "puback",
    ["auth", 0, METHOD, "welcome"],
  ]);
  sayAuth(client, "", 0x19);
  assert.equal(client.take().length, 1, "and once more");
});

test("[MQTT5-4.12.1-2] a re-authentication that fails ends the connection with DISCONNECT 0x87; the session stays", () => {
  const broker = new TestBroker({ authenticator: (self) => challenges(self, false) });
  const client = broker.dial();
  sayConnect(client, { sessionExpiryInterval: 100 });
  sayAuth(client, "a");
  sayAuth(client, "b");
  client.take();
  sayAuth(client, "wrong", 0x19);
  assert.deepEqual(client.told(), ["DISCONNECT 0x87", "CLOSED"]);
  assert.equal(broker.engine.sessions.size, 1);
});

for (const [what, act] of [
  ["AUTH 0x18 when none is under way", (client: WireClient) => sayAuth(client, "a")],
  ["AUTH 0x19 with another method", (client: WireClient) => sayAuth(client, "a", 0x19, "OTHER")],
] as const) {
  test(`[X-70] ${what} is a protocol error`, () => {
    const broker = new TestBroker({ authenticator: (self) => challenges(self, false) });
    const client = authenticated(broker);
    act(client);
    assert.deepEqual(client.told(), ["DISCONNECT 0x82", "CLOSED"]);
  });
}
