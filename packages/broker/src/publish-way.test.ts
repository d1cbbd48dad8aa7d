import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createBroker } from "./broker.ts";

const page = fileURLToPath(new URL("../../../docs/ARCHITECTURE.md", import.meta.url));

/** The functions of the picture, as file and name. */
function picture(): { file: string; name: string }[] {
  const text = readFileSync(page, "utf8");
  const block = /<!-- publish-way -->\s*```\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
  return block
    .trimEnd()
    .split("\n")
    .map((line) => /^(?:protocol )?(\S+)\.ts\s+(\S+)/.exec(line)!)
    .filter((match) => match[2] !== "Link")
    .map((match) => ({ file: `${match[1]}.js`, name: match[2]! }));
}

/** Bytes from hex with spaces. */
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

async function opened(port: number, connect: string): Promise<Socket> {
  const socket = createConnection(port, "127.0.0.1");
  socket.write(hex(connect));
  await received(socket, 4); // CONNACK
  return socket;
}

function received(socket: Socket, bytes: number): Promise<Buffer> {
  return new Promise((resolve) => {
    let all = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      all = Buffer.concat([all, chunk]);
      if (all.length < bytes) return;
      socket.off("data", read);
      resolve(all);
    };
    socket.on("data", read);
  });
}

test("a PUBLISH passes the functions that the picture in docs/ARCHITECTURE.md names", async () => {
  await using broker = await createBroker();
  const { port } = await broker.listen({ port: 0 });
  const subscriber = await opened(port, "10 0d 0004 4d515454 04 02 0000 0001 73");
  subscriber.write(hex("82 08 0001 0003 612f62 01"));
  await received(subscriber, 5); // SUBACK
  const publisher = await opened(port, "10 0d 0004 4d515454 04 02 0000 0001 70");
  // Everything above is over: what runs from here on is the way of one PUBLISH.
  const inspector = new Session();
  inspector.connect();
  await inspector.post("Profiler.enable");
  await inspector.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  const delivered = received(subscriber, 10);
  const acknowledged = received(publisher, 4);
  publisher.write(hex("32 08 0003 612f62 0007 21"));
  const publish = await delivered;
  assert.equal(publish[0], 0x32);
  assert.deepEqual(await acknowledged, hex("40 02 0007"));
  const routed = broker.counters.messagesAcknowledged;
  subscriber.write(Buffer.concat([hex("40 02"), publish.subarray(7, 9)]));
  while (broker.counters.messagesAcknowledged === routed) await new Promise(setImmediate);
  const { result } = await inspector.post("Profiler.takePreciseCoverage");
  inspector.disconnect();
  subscriber.destroy();
  publisher.destroy();

  const ran = new Set<string>();
  for (const script of result) {
    for (const { functionName, ranges } of script.functions) {
      if (ranges[0]!.count > 0) ran.add(`${script.url} ${functionName.replace(/^.*[#.]/, "")}`);
    }
  }
  const expected = picture();
  assert.ok(expected.length > 20, "the picture was found");
  for (const { file, name } of expected) {
    const found = [...ran].some(
      (entry) => entry.includes(`/${file} `) && entry.endsWith(` ${name}`),
    );
    assert.ok(found, `${file}: ${name} is in the picture, and did not run`);
  }
  // And the other way round: what decides on a PUBLISH is in the picture.
  const named = new Set(expected.map(({ file, name }) => `${file} ${name}`));
  for (const entry of ran) {
    const match =
      /\/(engine\/(?:publish|route|hand-over|send-publish|enqueue|deliver)\.js) (\w+)$/.exec(entry);
    if (match === null || match[2] === "isDelayTopic") continue;
    assert.ok(
      named.has(`${match[1]} ${match[2]}`),
      `${match[1]}: ${match[2]} ran, and is not in the picture`,
    );
  }
});
