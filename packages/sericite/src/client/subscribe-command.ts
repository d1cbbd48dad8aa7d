import type { Client, MessageHandler, SubscribeOptions } from "@sericite/client";
import { parseTopicFilter, ProtocolError } from "@sericite/protocol";
import { usageError } from "../errors.ts";
import { ExitCode } from "../exit-code.ts";
import { renderHelp } from "../options/help.ts";
import type { HelpText } from "../options/help.ts";
import { lastOption, parseOptions, refusePositionals } from "../options/option.ts";
import type { CommandLine, OptionRow } from "../options/option.ts";
import { printText } from "../standard-output.ts";
import { onStopSignal } from "../stop-signal.ts";
import { debugLine, withClient } from "./client-session.ts";
import {
  allWords,
  connectionOptions,
  lastOptionWord,
  readConnection,
  readQos,
} from "./connection-options.ts";
import { formatParameters } from "./output-format.ts";
import { Printer } from "./printer.ts";
import { readSeconds, wholeNumber } from "./property-options.ts";

const subscription = "Subscription";
const printing = "Printing";
const ending = "Ending";

/** Options of `sericite sub`. */
export const subscribeOptions: readonly OptionRow[] = [
  {
    name: "topic",
    short: "t",
    value: "FILTER",
    multiple: true,
    group: subscription,
    text: "Topic Filter to subscribe to. May be given several times.",
  },
  {
    name: "qos",
    short: "q",
    value: "QOS",
    group: subscription,
    text: "Highest QoS: 0, 1 or 2. Default 0.",
  },
  {
    name: "unsubscribe",
    short: "U",
    value: "FILTER",
    multiple: true,
    group: subscription,
    text: "Topic Filter to unsubscribe from, of a session that was kept. May be given several times.",
  },
  { name: "no-local", group: subscription, text: "MQTT 5: not the messages of this very client." },
  {
    name: "retain-as-published",
    group: subscription,
    text: "MQTT 5: keep the retain flag as it was published.",
  },
  {
    name: "retain-handling",
    value: "N",
    group: subscription,
    text: "MQTT 5: retained messages at the subscription: 0 send, 1 only if it is new, 2 do not. Default 0.",
  },
  { name: "verbose", short: "v", group: printing, text: "Print Topic Name and payload." },
  {
    name: "format",
    short: "F",
    value: "FORMAT",
    group: printing,
    text: "Print each message in this form; see below.",
  },
  { name: "pretty", group: printing, text: "Print the JSON of %j and %J over several lines." },
  {
    name: "no-end-of-line",
    short: "N",
    group: printing,
    text: "Print no line feed after a message.",
  },
  {
    name: "no-retained",
    short: "R",
    group: printing,
    text: "Leave out messages that were retained.",
  },
  {
    name: "retained-only",
    group: printing,
    text: "Only messages that were retained; end at the first other one.",
  },
  {
    name: "remove-retained",
    group: printing,
    text: "Remove the retained messages that come, at the broker.",
  },
  {
    name: "filter-out",
    short: "T",
    value: "FILTER",
    multiple: true,
    group: printing,
    text: "Leave out messages whose Topic Name matches. May be given several times.",
  },
  {
    name: "random-filter",
    value: "PERCENT",
    group: printing,
    text: "Print only this share of the messages, by chance.",
  },
  { name: "count", short: "C", value: "N", group: ending, text: "End after so many messages." },
  {
    name: "timeout",
    short: "W",
    value: "SECONDS",
    group: ending,
    text: "End after this time, with exit code 27.",
  },
  {
    name: "exit-after-subscribe",
    short: "E",
    group: ending,
    text: "End when the broker has granted the subscriptions.",
  },
  ...connectionOptions,
];

/** Help of `sericite sub` besides its options. */
export const subscribeHelp: HelpText = {
  usage: ["sericite sub -t FILTER [-t FILTER]... [options]"],
  summary:
    "Subscribes and prints the messages that come, with the options of mosquitto_sub. The payload is printed as it is, with a line feed after it.",
  examples: [
    ["sericite sub -t 'sensors/#' -v", "topic and payload of each message"],
    ["sericite sub -t a -C 1 -W 5", "one message, or exit code 27 after 5 seconds"],
    ["sericite sub -t '#' -F '%I %t %l bytes, QoS %q'", "in a form of your own"],
    ["sericite sub -t jobs/# -q 1 -c -i worker-1", "with a session that the broker keeps"],
    ["sericite sub -t '#' -T '$SYS/#' -F %j", "as JSON, a line for each message"],
  ],
  notes: [
    `Formats: ${Object.entries(formatParameters)
      .map(([sequence, text]) => `${sequence} ${text}`)
      .join("; ")}. ` +
      "After the % may stand - (align left), 0 (pad with zeros), a width, and for %t, %C, %I and %R a dot and a longest width.",
    "Exit codes: 0 ended as asked or by a signal, 1 failed, 2 wrong options, 27 time-out, 3 to 5 and 128 to 162 refused by the broker.",
  ],
};

/** `sericite sub`. @returns exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  const line = parseOptions(subscribeOptions, argv, "sub");
  refusePositionals(line, "sub");
  if (lastOption(line, "help")) {
    printText(renderHelp(subscribeHelp, subscribeOptions));
    return ExitCode.ok;
  }
  const has = (name: string): boolean => lastOption(line, name) !== undefined;
  const request = readConnection(
    line,
    has("no-local") || has("retain-as-published") || has("retain-handling"),
  );
  const filters = filtersOf(line, "topic");
  if (filters.length === 0 && request.urlTopic !== undefined)
    filters.push(checkFilter(request.urlTopic, "-L"));
  const unsubscribes = filtersOf(line, "unsubscribe");
  if (filters.length === 0 && unsubscribes.length === 0) {
    throw usageError(
      "ERR_OPTION_VALUE",
      "there is no topic: give -t (subscribe) or -U (unsubscribe)",
    );
  }
  const options: SubscribeOptions = {
    qos: readQos(lastOptionWord(line, "qos"), "-q"),
    noLocal: has("no-local"),
    retainAsPublished: has("retain-as-published"),
    retainHandling: wholeNumber(
      lastOptionWord(line, "retain-handling") ?? "0",
      2,
      "--retain-handling",
    ) as 0 | 1 | 2,
  };
  const printer = new Printer(line);
  const controller = new AbortController();
  void printer.ended.then(() => controller.abort());
  const timer = timeoutOf(line, () => {
    if (!request.isQuiet) process.stderr.write("sericite: timed out\n");
    printer.end(ExitCode.timeout);
  });
  onStopSignal(
    () => printer.end(ExitCode.ok),
    () => process.exit(ExitCode.failure),
  );

  let remove = (_topicName: string): void => {};
  const onMessage: MessageHandler = (message) => {
    if (message.retain && !printer.isFilteredOut(message.topicName)) remove(message.topicName);
    return printer.print(message);
  };
  const work = async (client: Client): Promise<number> => {
    const failed = new Promise<never>((_, reject) => {
      client.on("subscriptionRefused", ({ error }) => reject(error));
      if (has("remove-retained"))
        remove = (topicName) =>
          void client.publish(topicName, "", { qos: 1, retain: true }).catch(reject);
    });
    const subscribe = async (): Promise<number> => {
      if (filters.length > 0) {
        const granted = await client.subscribe(filters, onMessage, options);
        if (request.isDebug)
          debugLine(`${client.clientId}: subscribed, granted QoS ${granted.grantedQos.join(", ")}`);
      }
      if (unsubscribes.length > 0) await client.unsubscribe(unsubscribes);
      return has("exit-after-subscribe") || filters.length === 0 ? ExitCode.ok : printer.ended;
    };
    return Promise.race([subscribe(), failed, printer.ended]);
  };
  const code = await withClient(
    request,
    { onUnclaimedMessage: onMessage, signal: controller.signal },
    work,
  );
  clearTimeout(timer);
  // Ended before there was a connection: that is no failure of the connection.
  return controller.signal.aborted ? printer.ended : code;
}

function timeoutOf(line: CommandLine, callback: () => void): NodeJS.Timeout | undefined {
  const word = lastOptionWord(line, "timeout");
  return word === undefined ? undefined : setTimeout(callback, readSeconds(word, "-W"));
}

function filtersOf(line: CommandLine, name: string): string[] {
  const filters = allWords(line, name).map(([filter]) => checkFilter(filter!, `--${name}`));
  return [...new Set(filters)];
}

function checkFilter(filter: string, written: string): string {
  try {
    parseTopicFilter(filter);
    return filter;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw usageError("ERR_OPTION_VALUE", `${written} "${filter}": ${error.message}`, error);
  }
}
