import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import mqtt from "mqtt";
import type { IClientOptions } from "mqtt";
import { createBroker } from "../broker.ts";
import type { Broker } from "../broker.ts";
import { certificate, pem } from "./links.test-support.ts";
import type { Listener } from "./listener.ts";

/** Clients of others against each listener: what one of them sends over it, it gets back. */
const VERSIONS = [
  { name: "3.1", options: { protocolVersion: 3, protocolId: "MQIsdp" }, mosquitto: "mqttv31" },
  { name: "3.1.1", options: { protocolVersion: 4 }, mosquitto: "mqttv311" },
  { name: "5.0", options: { protocolVersion: 5 }, mosquitto: "mqttv5" },
] as const;
const secure = { ca: pem("ca.pem"), key: pem("client.key"), cert: pem("client.pem") };
/** Path of a certificate or key of the tests. */
const file = (name: string): string =>
  new URL(`../../src/listeners/test-certificates/${name}`, import.meta.url).pathname;

describe("clients of others", () => {
  const folder = mkdtempSync(join(tmpdir(), "sericite-"));
  const unix = join(folder, "clients.sock");
  const shared = createServer();
  let broker: Broker;
  let listeners: Record<"tls" | "ws" | "wss", Listener>;
  /** Sub-protocols and certificates that clients came with, by their Client Identifiers. */
  const seen = new Map<
    string,
    { subprotocol: string | undefined; commonName: string | undefined }
  >();

  before(async () => {
    broker = await createBroker();
    const tls = { certificates: [certificate("localhost")], ca: pem("ca.pem") };
    const requestCertificate = "require" as const;
    listeners = {
      tls: await broker.listen({ transport: "tls", port: 0, tls, requestCertificate }),
      ws: await broker.listen({ transport: "websocket", port: 0 }),
      wss: await broker.listen({ transport: "websocket", port: 0, tls, requestCertificate }),
    };
    await broker.listen({ transport: "unix", path: unix });
    await broker.listen({ server: shared });
    await once(shared.listen(0, "127.0.0.1"), "listening");
    broker.on("clientConnected", ({ clientId, peer }) => {
      const subprotocol = peer.upgrade?.headers["sec-websocket-protocol"] as string | undefined;
      const shown = peer.certificate as { subject: { CN: string } } | undefined;
      seen.set(clientId, { subprotocol, commonName: shown?.subject.CN });
    });
  });

  after(async () => {
    await broker.close({ timeoutMs: 500 });
    shared.close();
    rmSync(folder, { recursive: true });
  });

  /** An MQTT.js client that publishes to itself, small and large, at each QoS. */
  async function thereAndBack(
    open: (options: IClientOptions) => mqtt.MqttClient,
    options: IClientOptions,
  ): Promise<void> {
    const client = open({ reconnectPeriod: 0, connectTimeout: 5000, ...options });
    const emitter = client as unknown as NodeJS.EventEmitter;
    try {
      await once(emitter, "connect");
      await client.subscribeAsync(`${options.clientId}/#`, { qos: 2 });
      for (const qos of [0, 1, 2] as const) {
        for (const size of [0, 300, 200_000]) {
          const payload = Buffer.alloc(size, qos + 1);
          const arrived = once(emitter, "message") as Promise<[string, Buffer]>;
          await client.publishAsync(`${options.clientId}/x`, payload, { qos });
          const [, received] = await arrived;
          assert.equal(Buffer.compare(received, payload), 0);
        }
      }
    } finally {
      await client.endAsync(true);
    }
  }

  const over =
    (url: string) =>
    (options: IClientOptions): mqtt.MqttClient =>
      mqtt.connect(url, options);

  for (const { name, options } of VERSIONS) {
    const ofVersion = (kind: string): IClientOptions =>
      ({ ...options, clientId: `${kind}-${name}` }) as IClientOptions;

    test(`MQTT.js ${name} over TLS with a certificate of its own`, async () => {
      const clientOptions = { ...ofVersion("tls"), ...secure, ALPNProtocols: ["mqtt"] };
      await thereAndBack(over(`mqtts://localhost:${listeners.tls.port}`), clientOptions);
      assert.equal(seen.get(`tls-${name}`)!.commonName, "ada");
    });

    test(`[MQTT5-6.0.0-4] [MQTT3-6.0.0-4] [X-129] MQTT.js ${name} over WebSocket`, async () => {
      await thereAndBack(over(`ws://localhost:${listeners.ws.port}`), ofVersion("ws"));
      assert.equal(seen.get(`ws-${name}`)!.subprotocol, name === "3.1" ? "mqttv3.1" : "mqtt");
    });

    test(`MQTT.js ${name} over secure WebSocket with a certificate of its own`, async () => {
      await thereAndBack(over(`wss://localhost:${listeners.wss.port}/mqtt`), {
        ...ofVersion("wss"),
        ...secure,
      });
      assert.equal(seen.get(`wss-${name}`)!.commonName, "ada");
    });

    test(`MQTT.js ${name} over a Unix socket`, () =>
      thereAndBack((all) => new mqtt.MqttClient(() => connect(unix), all), ofVersion("unix")));

    test(`MQTT.js ${name} at /mqtt of an http.Server`, () => {
      const { port } = shared.address() as { port: number };
      return thereAndBack(over(`ws://127.0.0.1:${port}/mqtt`), ofVersion("shared"));
    });
  }

  const { error } = spawnSync("mosquitto_pub", ["--help"]);
  const skip = error === undefined ? false : "mosquitto_pub and mosquitto_sub are not installed";

  for (const { name, mosquitto } of VERSIONS) {
    test(`mosquitto ${name} over TLS with a certificate of its own`, { skip }, async () => {
      const common = [
        "-h",
        "localhost",
        "-p",
        String(listeners.tls.port),
        "-V",
        mosquitto,
        "-q",
        "1",
        "-t",
        `m/${mosquitto}`,
      ];
      const tls = [
        "--cafile",
        file("ca.pem"),
        "--cert",
        file("client.pem"),
        "--key",
        file("client.key"),
      ];
      const subscribed = new Promise<void>((resolve) => {
        const listening = broker.on("subscribed", ({ topicFilter }) => {
          if (topicFilter !== `m/${mosquitto}`) return;
          listening.remove();
          resolve();
        });
      });
      const sub = spawn("mosquitto_sub", [...common, ...tls, "-C", "1", "-W", "10"]);
      const out: Buffer[] = [];
      sub.stdout.on("data", (chunk: Buffer) => out.push(chunk));
      const left = once(sub, "close");
      await subscribed;
      await promisify(execFile)("mosquitto_pub", [
        ...common,
        ...tls,
        "--tls-alpn",
        "mqtt",
        "-m",
        "hello",
      ]);
      await left;
      assert.equal(Buffer.concat(out).toString(), "hello\n");
    });
  }

  test("mosquitto without a certificate is refused", { skip }, async () => {
    const before = listeners.tls.refused;
    const tls = ["-p", String(listeners.tls.port), "--cafile", file("ca.pem")];
    const publishing = promisify(execFile)("mosquitto_pub", [
      "-h",
      "localhost",
      ...tls,
      "-t",
      "m",
      "-m",
      "x",
    ]);
    await assert.rejects(publishing);
    assert.equal(listeners.tls.refused, before + 1);
  });
});
