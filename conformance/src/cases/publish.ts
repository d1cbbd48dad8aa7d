import { publish } from "../wire/case.ts";
import type { Case } from "../wire/case.ts";

/** PUBLISH (§3.3). */
export const publishCases: readonly Case[] = [
  {
    id: "publish-qos-0-with-dup",
    about: "a PUBLISH with QoS 0 and DUP 1 is malformed: the connection is closed",
    shows: ["MQTT5-3.3.1-2", "MQTT3-3.3.1-2", "MQTT5-4.13.1-1"],
    versions: [4, 5],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: version === 5 ? "38 06 0003 'a/b' 00" : "38 05 0003 'a/b'" } },
      { expectClosed: "a", after: { type: "disconnect", reasonCode: 0x81 } },
    ],
  },
  {
    id: "publish-dup-not-handed-on",
    about: "DUP of an incoming PUBLISH is not handed on to subscribers",
    shows: ["MQTT5-3.3.1-3", "MQTT3-3.3.1-3"],
    versions: [3, 4, 5],
    steps: [
      { connect: "sub" },
      {
        send: "sub",
        packet: {
          type: "subscribe",
          packetIdentifier: 1,
          subscriptions: [{ topicFilter: "{t}/x", qos: 1 }],
        },
      },
      { expect: "sub", packet: { type: "suback" } },
      { connect: "pub" },
      { send: "pub", packet: publish("{t}/x", { qos: 1, dup: true, packetIdentifier: 5 }) },
      { expect: "pub", packet: { type: "puback", packetIdentifier: 5 } },
      {
        expect: "sub",
        packet: { type: "publish", topicName: "{t}/x", dup: false, qos: 1, payload: "m" },
      },
    ],
  },
];
