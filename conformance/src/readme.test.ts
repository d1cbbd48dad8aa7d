/**
 * Runs what README.md tells you to type, as it stands there; only the port differs.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { needing } from "./interop/clients.ts";
import { type CommandBroker, startCommandBroker } from "./interop/command-broker.ts";
import { within } from "./interop/foreign-client.ts";
import { mosquittoClient } from "./interop/mosquitto.ts";

const ROOT = join(import.meta.dirname, "../..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** Code blocks of one language. */
function blocks(language: string): string[] {
  return [...README.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"))].map(
    ([, code]) => code ?? "",
  );
}

/** The one command line of the README that begins so. */
function command(beginning: string): string {
  const found = blocks("sh").filter((code) => code.startsWith(beginning));
  assert.equal(
    found.length,
    1,
    `README.md has ${found.length} blocks that begin with ${beginning}`,
  );
  return (found[0] ?? "").trim();
}

describe("README.md", () => {
  let broker: CommandBroker;
  const running: ChildProcess[] = [];

  before(async () => {
    broker = await startCommandBroker();
  });

  after(async () => {
    for (const child of running) child.kill("SIGKILL");
    await broker.stop();
  });

  test("names the two commands that are all you need", () => {
    assert.ok(blocks("sh").includes("npm ci && npm start\n"));
    assert.ok(blocks("sh").includes("npm ci && npm test\n"));
  });

  for (const [name, subscribe, publish, options] of [
    ["mosquitto", "mosquitto_sub", "mosquitto_pub", needing(mosquittoClient())],
    ["our own command", "npx sericite sub", "npx sericite pub", {}],
  ] as const) {
    test(`a message goes from publisher to subscriber with ${name}`, options, async () => {
      const port = `-p ${broker.port}`;
      const subscriber = shell(`exec ${command(subscribe)} ${port} -C 1`);
      const printed = text(subscriber);
      // Once is enough for a person; a program does not know when the other has subscribed.
      while (subscriber.exitCode === null) {
        const [code] = (await within(
          publish,
          once(shell(`exec ${command(publish)} ${port}`), "exit"),
        )) as [number];
        assert.equal(code, 0, publish);
      }
      const [expected] = /`(sensors\/[^`]* 21\.5)`/.exec(README)?.slice(1) ?? [];
      assert.equal(await printed, `${expected}\n`);
    });
  }

  test("the programs that embed a broker and that use the client run and print the message", async () => {
    const programs = blocks("js");
    assert.equal(programs.length, 2);
    const url = `"mqtt://127.0.0.1:${broker.port}"`;
    for (const program of programs) {
      const child = spawn(
        process.execPath,
        ["--input-type=module", "--eval", program.replace('"mqtt://127.0.0.1"', url)],
        { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] },
      );
      running.push(child);
      const printed = new Promise<void>((resolve, reject) => {
        let output = "";
        child.stdout.on("data", (chunk: Buffer) => {
          output += chunk.toString();
          if (output.includes("sensors/kitchen/temperature 21.5\n")) resolve();
        });
        child.once("exit", (code) =>
          reject(new Error(`ended with ${code} after printing:\n${output}`)),
        );
      });
      await within("the message to be printed", printed);
    }
  });

  function shell(line: string): ChildProcess {
    const child = spawn("sh", ["-c", line], { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
    running.push(child);
    return child;
  }
});

/** All that a process prints. */
async function text(child: ChildProcess): Promise<string> {
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(child, "close");
  return output;
}
