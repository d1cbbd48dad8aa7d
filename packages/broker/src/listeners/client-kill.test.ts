import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { connect } from "@sericite/client";
import { createBroker } from "../broker.ts";
import { seededRandom } from "../testing/random.ts";

const program = new URL("client-kill-process.test-support.js", import.meta.url).pathname;
const kills = 12;

test(`a client that is killed ${kills} times loses nothing that its store took, and doubles no QoS 2 message`, async () => {
  const folder = mkdtempSync(join(tmpdir(), "sericite-"));
  const path = join(folder, "session");
  const random = seededRandom(1);
  await using broker = await createBroker();
  const { port } = await broker.listen({ port: 0 });
  const url = `mqtt://127.0.0.1:${port}`;
  const received: number[] = [];
  await using receiver = await connect(url);
  await receiver.subscribe("t", (message) => void received.push(Number(message.text())), {
    qos: 2,
  });
  const accepted: number[] = [];
  let first = 1;
  for (let kill = 0; kill < kills; kill++) {
    const child = spawn(process.execPath, [program, url, path, String(first)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = once(child, "exit");
    const lines = createInterface({ input: child.stdout });
    const ended = once(lines, "close");
    let last = first - 1;
    lines.on("line", (line) => (last = Number(line)));
    await once(lines, "line");
    await new Promise((resolve) => {
      setTimeout(resolve, random() * 100);
    });
    child.kill("SIGKILL");
    await exit;
    await ended;
    for (let number = first; number <= last; number++) accepted.push(number);
    // Beyond all that it may have published without saying so.
    first = last + 100_001 - (last % 10);
  }
  const last = spawn(process.execPath, [program, url, path], { stdio: "inherit" });
  const [code] = (await once(last, "exit")) as [number];
  assert.equal(code, 0);
  const seen = new Set(received);
  const missing = accepted.filter((number) => !seen.has(number));
  assert.deepEqual(missing, [], `of ${accepted.length}`);
  const odd = received.filter((number) => number % 2 === 1);
  const twice = odd.length - new Set(odd).size;
  assert.equal(twice, 0);
  assert.ok(accepted.length > kills * 10);
  rmSync(folder, { recursive: true });
});
