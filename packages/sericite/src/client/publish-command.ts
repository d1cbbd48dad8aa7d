import { setTimeout as sleep } from "node:timers/promises";
import type { Client, PublishOptions } from "@sericite/client";
import { topicNameFault } from "@sericite/protocol";
import { usageError } from "../errors.ts";
import { ExitCode } from "../exit-code.ts";
import { renderHelp } from "../options/help.ts";
import type { HelpText } from "../options/help.ts";
import { lastOption, parseOptions, refusePositionals } from "../options/option.ts";
import type { CommandLine, OptionRow } from "../options/option.ts";
import { printText } from "../standard-output.ts";
import { debugLine, withClient } from "./client-session.ts";
import type { SessionOptions } from "./client-session.ts";
import { connectionOptions, readConnection, readQos } from "./connection-options.ts";
import type { ConnectionRequest } from "./connection-options.ts";
import { payloadSource } from "./payload-source.ts";
import { readSeconds, wholeNumber } from "./property-options.ts";

const message = "Message";

/** Options of `sericite pub`. */
export const publishOptions: readonly OptionRow[] = [
  { name: "topic", short: "t", value: "TOPIC", group: message, text: "Topic Name to publish to." },
  { name: "message", short: "m", value: "TEXT", group: message, text: "Payload." },
  {
    name: "file",
    short: "f",
    value: "FILE",
    group: message,
    text: "Take the content of a file as the payload.",
  },
  {
    name: "stdin-file",
    short: "s",
    group: message,
    text: "Take all of standard input as one payload.",
  },
  {
    name: "stdin-line",
    short: "l",
    group: message,
    text: "Publish each line of standard input as a message, as it comes.",
  },
  {
    name: "null-message",
    short: "n",
    group: message,
    text: "Publish an empty payload; with -r it removes the retained message.",
  },
  {
    name: "qos",
    short: "q",
    value: "QOS",
    group: message,
    text: "Quality of service: 0, 1 or 2. Default 0.",
  },
  { name: "retain", short: "r", group: message, text: "Have the message retained." },
  { name: "repeat", value: "N", group: message, text: "Publish it so many times. Not with -l." },
  {
    name: "repeat-delay",
    value: "SECONDS",
    group: message,
    text: "Time between them, such as 0.5. Default 0.",
  },
  ...connectionOptions,
];

/** Help of `sericite pub` besides its options. */
export const publishHelp: HelpText = {
  usage: ["sericite pub -t TOPIC {-m TEXT | -f FILE | -s | -l | -n} [options]"],
  summary:
    "Publishes messages and ends when the broker has acknowledged them, with the options of mosquitto_pub.",
  examples: [
    ["sericite pub -t sensors/kitchen -m 21.5", "publish a text"],
    ["sericite pub -t sensors/kitchen -m 21.5 -q 1 -r", "at QoS 1, retained"],
    ["tail -f app.log | sericite pub -t logs/app -l", "a message for each line"],
    [
      "sericite pub -V 5 -t a -m '{}' -D publish content-type application/json",
      "with a property of MQTT 5",
    ],
    [
      "sericite pub -L mqtt://user:secret@broker.example:1883/a/b -f photo.jpg",
      "a file, to another machine",
    ],
  ],
  notes: [
    "Exit codes: 0 all published, 1 failed, 2 wrong options, 3 to 5 and 128 to 162 refused by the broker.",
  ],
};

/** Messages of `-l` that are read ahead of their acknowledgements. */
const readAhead = 1000;

/** `sericite pub`. @returns exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  const line = parseOptions(publishOptions, argv, "pub");
  refusePositionals(line, "pub");
  if (lastOption(line, "help")) {
    printText(renderHelp(publishHelp, publishOptions));
    return ExitCode.ok;
  }
  const request = readConnection(line, false);
  const topicName = topicOf(line, request);
  const source = payloadSource(line);
  const { times, delayMs } = repetition(line, source.kind === "lines");
  const options: PublishOptions = {
    qos: readQos(lastOption(line, "qos")?.words[0], "-q"),
    retain: lastOption(line, "retain") !== undefined,
    properties: request.properties.publish,
  };
  const publish = (client: Client, payload: Uint8Array): Promise<unknown> => {
    if (request.isDebug)
      debugLine(
        `${client.clientId}: publishing to ${topicName}, QoS ${options.qos}, ${payload.length} bytes`,
      );
    return client.publish(topicName, payload, options);
  };

  // At QoS 0 no acknowledgement tells that the broker took the last message.
  const mustEndInOrder = options.qos === 0;
  if (source.kind === "lines") {
    const code = await withClient(request, { mustEndInOrder }, async (client) => {
      await publishLines(source.lines(), (payload) => publish(client, payload));
      return ExitCode.ok;
    });
    // After a failure nobody reads on, and an open pipe would keep the process.
    process.stdin.destroy();
    return code;
  }
  // Read first: who has nothing to publish need not connect.
  const payload = await source.read();
  // One message whose connection the broker closes is refused: it would close the next one too.
  const session: SessionOptions =
    times === 1 ? { mustEndInOrder, reconnect: false } : { mustEndInOrder };
  return withClient(request, session, async (client) => {
    for (let i = 0; i < times; i++) {
      if (i > 0 && delayMs > 0) await sleep(delayMs);
      await publish(client, payload);
    }
    return ExitCode.ok;
  });
}

function topicOf(line: CommandLine, request: ConnectionRequest): string {
  const topicName = lastOption(line, "topic")?.words[0] ?? request.urlTopic;
  if (topicName === undefined) throw usageError("ERR_OPTION_VALUE", "there is no topic: give -t");
  const fault = topicNameFault(topicName);
  if (fault !== undefined) throw usageError("ERR_OPTION_VALUE", `-t "${topicName}" ${fault}`);
  return topicName;
}

function repetition(line: CommandLine, isLines: boolean): { times: number; delayMs: number } {
  const repeat = lastOption(line, "repeat");
  const delay = lastOption(line, "repeat-delay")?.words[0];
  if (repeat && isLines)
    throw usageError("ERR_OPTION_VALUE", "--repeat and -l cannot be used together");
  const times = repeat ? wholeNumber(repeat.words[0]!, Number.MAX_SAFE_INTEGER, "--repeat", 1) : 1;
  return { times, delayMs: delay === undefined ? 0 : readSeconds(delay, "--repeat-delay") };
}

/** Publishes line after line, a bounded number ahead of the acknowledgements. @throws what the first failure was. */
async function publishLines(
  lines: AsyncIterable<Uint8Array>,
  publish: (payload: Uint8Array) => Promise<unknown>,
): Promise<void> {
  let unsettled = 0;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  const settled = (): void => {
    unsettled--;
    wake?.();
  };
  const change = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  for await (const payload of lines) {
    unsettled++;
    publish(payload).then(settled, (error: Error) => {
      failure ??= error;
      settled();
    });
    while (unsettled >= readAhead) await change();
    if (failure !== undefined) throw failure;
  }
  while (unsettled > 0) await change();
  if (failure !== undefined) throw failure;
}
