import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { within } from "./foreign-client.ts";

/** A broker in a process of its own. */
export interface CommandBroker {
  readonly port: number;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
}

const COMMAND = join(import.meta.dirname, "../../../packages/sericite/bin/sericite.js");

/**
 * Starts `sericite broker --port 0` as a user would, and waits until it listens on loopback.
 *
 * With `SERICITE_INTEROP_PORT` the broker that listens there already is used instead: so the same
 * tests can be run against any other broker.
 */
export async function startCommandBroker(...flags: string[]): Promise<CommandBroker> {
  const given = process.env["SERICITE_INTEROP_PORT"];
  if (given !== undefined) return { port: Number(given), stop: async () => undefined };

  const child = spawn(process.execPath, [COMMAND, "broker", "--port", "0", ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  const exit = once(child, "exit");
  const port = new Promise<number>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        printed += text;
        const found = /(?:127\.0\.0\.1|localhost):(\d+)|"port":\s*"?(\d+)/.exec(printed);
        if (found !== null) resolve(Number(found[1] ?? found[2]));
      });
    }
    child.once("exit", (code) => reject(new Error(`the broker ended with ${code}:\n${printed}`)));
  });
  return {
    port: await within("the broker to listen", port),
    async stop() {
      child.kill("SIGTERM");
      await within("the broker to end", exit);
    },
  };
}
