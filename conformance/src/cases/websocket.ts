import type { Case } from "../wire/case.ts";
import { publish, text } from "../wire/case.ts";
import { closed, connectHex, published, subscribe } from "./steps.ts";

/** MQTT over WebSocket (§6). */
export const webSocketCases: readonly Case[] = [
  {
    id: "websocket",
    about: "packets travel in binary frames of subprotocol mqtt, in both directions",
    shows: [
      "MQTT5-6.0.0-1",
      "MQTT5-6.0.0-4",
      "MQTT3-6.0.0-1",
      "MQTT3-6.0.0-4",
      "MQTT5-4.2.0-1",
      "MQTT3-7.1.1-1",
    ],
    versions: [4, 5],
    needs: ["websocket"],
    steps: [
      { open: "raw", via: "websocket", subprotocols: ["mqtt"], subprotocol: "mqtt" },
      { connect: "a", via: "websocket" },
      { connect: "b" },
      ...subscribe("a", "{t}/x", { qos: 1 }),
      ...published("b", "{t}/x", { payload: text("over") }),
      { expect: "a", packet: { type: "publish", qos: 1, payload: "over" } },
      { answer: "a", type: "puback" },
      ...subscribe("b", "{t}/y", { qos: 0 }),
      { send: "a", packet: publish("{t}/y", { payload: text("back") }) },
      { expect: "b", packet: { type: "publish", payload: "back" } },
      { disconnect: "a" },
    ],
  },
  {
    id: "websocket-text-frame",
    about: "a text frame makes the broker close",
    shows: ["MQTT5-6.0.0-1", "MQTT3-6.0.0-1"],
    versions: [4, 5],
    needs: ["websocket"],
    steps: [
      { connect: "a", via: "websocket" },
      { sendText: "a", hex: "c0 00" },
      { expectClosed: "a" },
    ],
  },
  {
    id: "websocket-frames-and-packets",
    about: "a frame may hold several packets, or a part of one",
    shows: ["MQTT5-6.0.0-2", "MQTT3-6.0.0-2"],
    versions: [4, 5],
    needs: ["websocket"],
    steps: (version) => [
      { open: "a", via: "websocket" },
      { send: "a", packet: { hex: `${connectHex(version, "02")} c0 00 c0 00` } },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
      { expect: "a", packet: { type: "pingresp" } },
      { expect: "a", packet: { type: "pingresp" } },
      { send: "a", packet: { hex: "c0 00 c0 00" }, pieces: 1 },
      { expect: "a", packet: { type: "pingresp" } },
      { expect: "a", packet: { type: "pingresp" } },
      ...subscribe("a", "{t}/x", { qos: 0 }),
      {
        send: "a",
        packet: { hex: `30 ("{t}/x" ${version === 5 ? "00" : ""} [3000:61]) c0 00` },
        pieces: 1000,
      },
      {
        expectAll: "a",
        packets: [{ type: "publish", payload: "a".repeat(3000) }, { type: "pingresp" }],
      },
    ],
  },
  {
    id: "websocket-protocol-error",
    about: "an error ends a WebSocket connection as it ends any other",
    shows: ["MQTT5-4.13.1-1", "MQTT3-4.8.0-1", "X-86"],
    versions: [4, 5],
    needs: ["websocket"],
    steps: [
      { connect: "a", via: "websocket" },
      { send: "a", packet: { hex: "00 00" } },
      closed("a", 0x81),
    ],
  },
  {
    id: "websocket-mqttv3.1",
    about: "clients of 3.1 offer subprotocol mqttv3.1, and it is taken beside mqtt",
    shows: ["X-129"],
    versions: [3],
    needs: ["websocket"],
    leaves: "no standard knows the subprotocol",
    steps: [
      { open: "a", via: "websocket", subprotocols: ["mqttv3.1"], subprotocol: "mqttv3.1" },
      { connect: "b", via: "websocket", subprotocols: ["mqttv3.1"] },
      { expectNothing: "b" },
      { connect: "c", via: "websocket", subprotocols: ["mqtt"] },
      { expectNothing: "c" },
      {
        open: "d",
        via: "websocket",
        subprotocols: ["mqttv3.1", "mqtt"],
      },
    ],
  },
];
