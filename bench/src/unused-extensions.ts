/**
 * What hooks, events and traces cost that nobody uses: the engine as it ships beside a copy of it in
 * which the looks at them are taken out, and beside one that uses them. From bytes in to the one write
 * of each connection and turn, without sockets; figures are for one message with one receiver.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as BrokerModule from "@sericite/broker";
import type { BrokerOptions } from "@sericite/broker";
import { encodePacket } from "@sericite/protocol";
import type { Clock } from "@sericite/protocol";
import { benchSideBySide } from "./harness.ts";
import { SinkLink, Turns } from "./link-world.ts";

const BURST = 20;

/** Each look at a hook, an event or a trace on the way of a PUBLISH, with what stands there without it. */
const looks: Readonly<Record<string, readonly (readonly [look: string, without: string])[]>> = {
  "connection.js": [
    ["if (engine.events.hearsBytes)", "if (false)"],
    ["this.engine.events.hearsSent", "false"],
    ["this.engine.trace !== undefined", "false"],
  ],
  "dispatch.js": [
    ["connection.engine.events.hearsPackets", "false"],
    ["connection.engine.trace !== undefined", "false"],
  ],
  "publish.js": [
    ["engine.rewriter === undefined ? topic : rewritten(connection, topic)", "topic"],
    [
      "{ authorizePublish: authorize, answers } = engine.hooks",
      "authorize = undefined, answers = 0",
    ],
    ["connection.isTrusted ? undefined : engine.hooks.publish;", "undefined;"],
  ],
  "route.js": [["engine.events.hearsMessages", "false"]],
  "deliver.js": [["engine.hooks.authorizeDelivery !== undefined", "false"]],
  "hand-over.js": [["authorizeDelivery === undefined", "true"]],
  "send-publish.js": [["unpacking !== undefined", "false"]],
};

const dist = dirname(fileURLToPath(import.meta.url));
const packages = join(dist, "..", "..", "packages");
// Below `bench`, so that what the packages import from elsewhere is found.
const folder = mkdtempSync(join(dist, "copies-"));

/** Copies the built packages, and changes the engine. */
function copyPackages(
  name: string,
  change: (text: string, look: string, without: string) => string,
): string {
  const scope = join(folder, name, "node_modules", "@sericite");
  for (const part of ["protocol", "client", "broker"]) {
    mkdirSync(join(scope, part), { recursive: true });
    cpSync(join(packages, part, "package.json"), join(scope, part, "package.json"));
    cpSync(join(packages, part, "dist"), join(scope, part, "dist"), { recursive: true });
  }
  for (const [file, all] of Object.entries(looks)) {
    const path = join(scope, "broker", "dist", "engine", file);
    let text = readFileSync(path, "utf8");
    for (const [look, without] of all) {
      const times = text.split(look).length - 1;
      if (times !== 1) throw new Error(`${file} has ${times} times, expected once: ${look}`);
      text = change(text, look, without);
    }
    writeFileSync(path, text);
  }
  return pathToFileURL(join(scope, "broker", "dist", "index.js")).href;
}

/** A burst of messages from one client to another one, in a broker of its own. */
async function burst(
  url: string,
  options: BrokerOptions,
  prepare: (broker: BrokerModule.Broker) => void = () => {},
): Promise<() => number> {
  const { createBroker } = (await import(url)) as typeof BrokerModule;
  const turns = new Turns();
  let now = 0;
  const clock: Clock = { now: () => (now += 0.01), wallTime: () => now };
  const broker = await createBroker({ ...options, clock, scheduler: turns, random: () => 0.5 });
  prepare(broker);
  const open = (clientId: string): SinkLink => {
    const link = new SinkLink((near) => broker.engine.accept(near));
    const connect = { type: "connect", protocolVersion: 4, clientId } as const;
    link.sendPacket({ ...connect, cleanStart: true, keepAlive: 0 }, 4);
    turns.end();
    return link;
  };
  const receiver = open("r");
  const subscriptions = [{ topicFilter: "bench/topic", qos: 0 }] as const;
  receiver.sendPacket({ type: "subscribe", packetIdentifier: 1, subscriptions }, 4);
  const publisher = open("p");
  const payload = new Uint8Array(64).fill(0x61);
  const message = { topicName: "bench/topic", payload, qos: 0, dup: false, retain: false } as const;
  const one = encodePacket({ type: "publish", ...message }, 4);
  const bytes = Buffer.concat(Array.from({ length: BURST }, () => one));
  const run = (): number => {
    publisher.send(bytes);
    turns.end();
    return receiver.received;
  };
  const before = run();
  if (run() - before !== bytes.length) throw new Error("not all is delivered");
  return run;
}

try {
  // A copy for each: code that has seen hooks and traces would be compiled for them everywhere.
  const shipped = (name: string): string => copyPackages(name, (text) => text);
  const without = (name: string): string =>
    copyPackages(name, (text, look, other) => text.replace(look, () => other));
  const yes = (): boolean => true;
  await benchSideBySide(
    "extensions/one receiver, QoS 0",
    {
      "without the looks": await burst(without("a"), {}),
      "as it ships, unused": await burst(shipped("b"), {}),
      "without the looks, once more": await burst(without("c"), {}),
      "as it ships, unused, once more": await burst(shipped("d"), {}),
      "a trace and a listener that ended": await burst(shipped("e"), {}, (broker) => {
        broker.trace({ clientId: "r" }, () => {})[Symbol.dispose]();
        broker.on("packetSent", () => {}).remove();
      }),
      "three hooks that say yes": await burst(shipped("f"), {
        hooks: { authorizePublish: yes, authorizeDelivery: yes, publish: yes },
      }),
      "a trace of another client": await burst(shipped("g"), {}, (broker) => {
        broker.trace({ clientId: "nobody" }, () => {});
      }),
    },
    { operations: BURST, rounds: 31 },
  );
} finally {
  rmSync(folder, { recursive: true });
}
