import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  AUTHORITY,
  digest,
  type ForeignClient,
  Inbox,
  type Outgoing,
  type Qos,
  type SubscriberOptions,
  within,
} from "./foreign-client.ts";

/** The program behind the command `sericite`. */
export const SERICITE = join(import.meta.dirname, "../../../packages/sericite/bin/sericite.js");

/** The line that `sericite sub` prints for a message: Topic Name, QoS, RETAIN, payload as hex. */
const FORMAT = "%t\\t%q\\t%r\\t%x";

/** Our own commands `sericite pub` and `sericite sub`, driven as those of mosquitto are. */
export function ownCommand(): ForeignClient {
  const running = new Set<ChildProcess>();

  return {
    name: "sericite command",
    missing: undefined,

    async subscribe(url, options) {
      const words = [SERICITE, "sub", ...subscriberFlags(url, options)];
      const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"] });
      running.add(child);
      child.once("exit", () => running.delete(child));
      const inbox = new Inbox(`sericite sub ${options.version} ${options.clientId}`);
      createInterface({ input: child.stdout }).on("line", (line) => {
        const [topicName = "", qos, retain, hex = ""] = line.split("\t");
        inbox.put({
          topicName,
          digest: digest(Buffer.from(hex, "hex")),
          qos: Number(qos) as Qos,
          retain: retain === "1",
        });
      });
      const subscribed = new Promise<void>((resolve, reject) => {
        let said = "";
        createInterface({ input: child.stderr }).on("line", (line) => {
          said += `${line}\n`;
          if (line.includes(": subscribed, granted")) resolve();
        });
        child.once("exit", (code) => reject(new Error(`sericite sub ended with ${code}: ${said}`)));
      });
      await within(`SUBACK for sericite sub ${options.clientId}`, subscribed);
      const end = async (signal: NodeJS.Signals): Promise<void> => {
        const exit = once(child, "exit");
        child.kill(signal);
        await within("sericite sub to end", exit);
      };
      return { inbox, disconnect: () => end("SIGTERM"), cut: () => end("SIGKILL") };
    },

    async publish(url, version, messages) {
      for (const message of messages) {
        const words = [SERICITE, "pub", ...serverFlags(url), "-V", version.replaceAll(".", "")];
        const child = spawn(process.execPath, [...words, ...messageFlags(message)], {
          stdio: ["pipe", "inherit", "inherit"],
        });
        running.add(child);
        child.stdin.end(message.payload);
        const [code] = (await within("sericite pub", once(child, "exit"))) as [number];
        running.delete(child);
        if (code !== 0) throw new Error(`sericite pub ended with ${code}`);
      }
    },

    async close() {
      for (const child of running) child.kill("SIGKILL");
    },
  };
}

function serverFlags(url: string): string[] {
  const { protocol, hostname, port, pathname } = new URL(url);
  if (protocol === "unix:") return ["--unix", pathname];
  const trust = protocol === "mqtts:" || protocol === "wss:" ? ["--cafile", AUTHORITY] : [];
  return ["-L", `${protocol}//${hostname}:${port}`, ...trust];
}

function messageFlags({ topicName, payload, qos, retain = false }: Outgoing): string[] {
  const flags = ["-t", topicName, "-q", String(qos), payload.length === 0 ? "-n" : "-s"];
  return retain ? [...flags, "-r"] : flags;
}

function subscriberFlags(url: string, options: SubscriberOptions): string[] {
  const flags = [...serverFlags(url), "-d", "-V", options.version.replaceAll(".", "")];
  flags.push("-i", options.clientId, "-q", String(options.qos), "-F", FORMAT);
  for (const topicFilter of options.topicFilters) flags.push("-t", topicFilter);
  if (options.persistent === true) flags.push("-c");
  if (options.persistent === true && options.version === "5") flags.push("-x", "3600");
  const { will } = options;
  if (will !== undefined) {
    flags.push("--will-topic", will.topicName, "--will-payload", will.payload.toString());
    flags.push("--will-qos", String(will.qos));
    if (will.retain === true) flags.push("--will-retain");
  }
  return flags;
}
