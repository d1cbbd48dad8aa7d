import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import {
  AUTHORITY,
  digest,
  type ForeignClient,
  Inbox,
  type Outgoing,
  type Qos,
  type Subscriber,
  type SubscriberOptions,
  type Version,
  within,
} from "./foreign-client.ts";

const VERSION_FLAG: Readonly<Record<Version, string>> = {
  "3.1": "mqttv31",
  "3.1.1": "mqttv311",
  "5": "mqttv5",
};

/** The line that mosquitto_sub prints for a message: mark, topic, QoS, RETAIN, payload as hex. */
const FORMAT = "message\\t%t\\t%q\\t%r\\t%x";

/** The commands of mosquitto, a process for each subscriber and each message. */
export function mosquittoClient(): ForeignClient {
  const running = new Set<ChildProcess>();
  return {
    name: "mosquitto",
    missing: missing(),

    async subscribe(url, options) {
      const child = spawn("stdbuf", ["-oL", "mosquitto_sub", ...subscriberFlags(url, options)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      running.add(child);
      child.once("exit", () => running.delete(child));
      const inbox = new Inbox(`mosquitto_sub ${options.version} ${options.clientId}`);
      const subscribed = new Promise<void>((resolve, reject) => {
        child.once("exit", (code) => reject(new Error(`mosquitto_sub ended with ${code}`)));
        createInterface({ input: child.stdout }).on("line", (line) => {
          if (line.startsWith("Subscribed (mid")) resolve();
          const [mark, topicName, qos, retain, hex] = line.split("\t");
          if (mark !== "message" || topicName === undefined) return;
          inbox.put({
            topicName,
            digest: digest(Buffer.from(hex ?? "", "hex")),
            qos: Number(qos) as Qos,
            retain: retain === "1",
          });
        });
      });
      await within(`SUBACK for mosquitto_sub ${options.clientId}`, subscribed);
      return ender(child, inbox);
    },

    async publish(url, version, messages) {
      for (const message of messages) {
        const empty = message.payload.length === 0;
        const child = spawn("mosquitto_pub", publisherFlags(url, version, message), {
          stdio: [empty ? "ignore" : "pipe", "inherit", "inherit"],
        });
        running.add(child);
        child.stdin?.end(message.payload);
        const [code] = (await within("mosquitto_pub", once(child, "exit"))) as [number];
        running.delete(child);
        if (code !== 0) throw new Error(`mosquitto_pub ended with ${code}`);
      }
    },

    async close() {
      for (const child of running) child.kill("SIGKILL");
    },
  };
}

/**
 * One retained message as the bytes that mosquitto_sub writes: for payloads too large for its
 * hex output.
 */
export async function mosquittoRetained(
  url: string,
  version: Version,
  topicName: string,
): Promise<Buffer> {
  const child = spawn(
    "mosquitto_sub",
    [...serverFlags(url), "-V", VERSION_FLAG[version], "-t", topicName, "-C", "1", "-N"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  await within("mosquitto_sub -C 1", once(child, "close"));
  return Buffer.concat(chunks);
}

function missing(): string | undefined {
  for (const program of ["mosquitto_pub", "mosquitto_sub", "stdbuf"]) {
    const { error } = spawnSync(program, ["--version"], { stdio: "ignore" });
    if (error !== undefined)
      return `${program} is not installed (Debian: apt install mosquitto-clients)`;
  }
  return undefined;
}

function serverFlags(url: string): string[] {
  const { protocol, hostname, port, pathname } = new URL(url);
  if (protocol === "unix:") return ["--unix", pathname];
  const flags = ["-h", hostname, "-p", port];
  return protocol === "mqtts:" ? [...flags, "--cafile", AUTHORITY] : flags;
}

function subscriberFlags(url: string, options: SubscriberOptions): string[] {
  const flags = [...serverFlags(url), "-d", "-V", VERSION_FLAG[options.version]];
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

function publisherFlags(url: string, version: Version, message: Outgoing): string[] {
  const flags = [...serverFlags(url), "-V", VERSION_FLAG[version]];
  flags.push("-t", message.topicName, "-q", String(message.qos));
  flags.push(message.payload.length === 0 ? "-n" : "-s");
  if (message.retain === true) flags.push("-r");
  return flags;
}

function ender(child: ChildProcess, inbox: Inbox): Subscriber {
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const exit = once(child, "exit");
    // stdbuf becomes mosquitto_sub (exec), so that this is its pid.
    child.kill(signal);
    await within("mosquitto_sub to end", exit);
  };
  return { inbox, disconnect: () => end("SIGTERM"), cut: () => end("SIGKILL") };
}
