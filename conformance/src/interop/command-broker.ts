import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { within } from "./foreign-client.ts";

/** A broker in a process of its own. */
export interface CommandBroker {
  /** The port for TCP. */
  readonly port: number;
  /** Where it listens for TCP: `mqtt://127.0.0.1:PORT`. */
  readonly url: string;
  /** All that it listens on, as URLs. */
  readonly urls: readonly string[];
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
}

const COMMAND = join(import.meta.dirname, "../../../packages/sericite/bin/sericite.js");

/**
 * Starts `sericite broker --port 0` as a user would, with a new directory, and waits until it listens on loopback.
 *
 * With `SERICITE_INTEROP_PORT` the broker that listens there already is used instead: so the same
 * tests can be run against any other broker.
 */
export async function startCommandBroker(...flags: string[]): Promise<CommandBroker> {
  const given = process.env["SERICITE_INTEROP_PORT"];
  if (given !== undefined) {
    const url = `mqtt://127.0.0.1:${given}`;
    return { port: Number(given), url, urls: [url], stop: async () => undefined };
  }

  const directory = mkdtempSync(join(tmpdir(), "sericite-interop-"));
  const child = spawn(
    process.execPath,
    [
      COMMAND,
      ...["broker", "--port", "0", "--log-format", "json", "--data-dir", directory],
      ...flags,
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let printed = "";
  const exit = once(child, "exit");
  const listening = new Promise<string[]>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        printed += text;
        const found = /"listeners":(\[[^\]]*\])/.exec(printed);
        if (found !== null) resolve(JSON.parse(found[1]!) as string[]);
      });
    }
    child.once("exit", (code) => reject(new Error(`the broker ended with ${code}:\n${printed}`)));
  });
  const urls = await within("the broker to listen", listening);
  const url = urls.find((one) => one.startsWith("mqtt:"))!;
  return {
    port: Number(new URL(url).port),
    url,
    urls,
    async stop() {
      child.kill("SIGTERM");
      await within("the broker to end", exit);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
