import { brokerHelp, brokerOptions } from "../../packages/sericite/dist/broker/broker-options.js";
import { commands } from "../../packages/sericite/dist/cli.js";
import { formatParameters } from "../../packages/sericite/dist/client/output-format.js";
import { propertyTable } from "../../packages/sericite/dist/client/property-options.js";
import {
  publishHelp,
  publishOptions,
} from "../../packages/sericite/dist/client/publish-command.js";
import {
  subscribeHelp,
  subscribeOptions,
} from "../../packages/sericite/dist/client/subscribe-command.js";
import {
  storeActionHelp,
  storeActions,
  storeHelp,
  storeOptions,
} from "../../packages/sericite/dist/store/store-options.js";
import { exitCodeTexts } from "../../packages/sericite/dist/exit-code.js";
import { configHelp, configOptions } from "../../packages/sericite/dist/config/config-command.js";
import { passwdHelp, passwdOptions } from "../../packages/sericite/dist/passwd/passwd-command.js";
import { groupOptions, optionSyntax } from "../../packages/sericite/dist/options/help.js";
import { code, generated, plain, table } from "./markdown.mjs";

/** `docs/COMMAND.md`. */
export function commandPage() {
  const isSetting = (row) => row.group.startsWith("Settings: ");
  const parts = [
    head,
    table(
      ["command", "what it does"],
      commands.map(({ name, text }) => [`[${code(`sericite ${name}`)}](#sericite-${name})`, text]),
    ),
    "`sericite help`, `sericite COMMAND --help` and `sericite version` do what you think.",
    ...commandSection(
      "broker",
      brokerHelp,
      brokerOptions().filter((row) => !isSetting(row)),
    ),
    "Every setting is an option too, as `--section.key`: see [Configuration](CONFIGURATION.md).",
    brokerText,
    ...commandSection("pub", publishHelp, publishOptions),
    ...commandSection("sub", subscribeHelp, subscribeOptions),
    "### Formats",
    "`-F` takes a text in which these sequences stand for parts of the message:",
    table(
      ["sequence", "what it prints"],
      Object.entries(formatParameters).map(([sequence, text]) => [code(sequence), plain(text)]),
    ),
    "Between `%` and the letter may stand `-` (align left), `0` (pad with zeros), a width, and for `%t`, `%C`, `%I` and `%R` a dot and a longest width: `%-20.20t`.",
    "## Properties of MQTT 5",
    "`-D PACKET PROPERTY VALUE` sets a property, in `pub` and in `sub`. `user-property` has two values, the name and the value, and may be given several times.",
    table(
      ["packet", "properties"],
      Object.entries(propertyTable).map(([packet, rows]) => [
        code(packet),
        Object.keys(rows).map(code).join(", "),
      ]),
    ),
    ...commandSection("passwd", passwdHelp, passwdOptions),
    ...commandSection("config", configHelp, configOptions),
    "See [Authentication](AUTHENTICATION.md) for what the broker does with the file.",
    mosquittoText,
    ...commandSection("store", storeHelp, []),
    ...storeActions.flatMap((action) => [
      `### store ${action}`,
      ...helpParts(storeActionHelp[action], storeOptions[action]),
    ]),
    "What an export looks like: see [The embedded store](STORE.md#the-tool).",
    "## Exit codes",
    table(
      ["exit code", "meaning"],
      exitCodeTexts.map(([number, text]) => [number, text]),
    ),
    "What the names of error codes mean: see [Error codes](REFERENCE.md#error-codes).",
  ];
  return `${parts.join("\n\n")}\n`;
}

function commandSection(name, help, rows) {
  return [`## sericite ${name}`, ...helpParts(help, rows)];
}

function helpParts(help, rows) {
  const examples = help.examples.map(([line, text]) => `${line}    # ${text}`);
  const parts = [help.summary, ["```sh", ...examples, "```"].join("\n")];
  for (const [group, members] of groupOptions(rows)) {
    const texts = members.map((row) => [code(optionSyntax(row)), plain(row.text) + later(row)]);
    parts.push(`**${group}**`, table(["option", "what it does"], texts));
  }
  return parts;
}

function later(row) {
  return row.later === undefined
    ? ""
    : ` This version does not have ${row.later} yet and refuses the option.`;
}

const head = `# The command

${generated}

After this page you can run the broker, publish and subscribe from a shell, and tell from the exit code what happened.

\`\`\`sh
npx sericite broker &
npx sericite sub -t 'sensors/#' -v &
npx sericite pub -t sensors/kitchen -m 21.5
\`\`\``;

const brokerText = `### Start and end

The broker listens within 300 ms of its start: 126 ms on Node 26 and 161 ms on Node 20, on two cores of a server. A test measures it.

What was kept when the broker last ended is given back first; a line says where it is kept and how much came back, and each second how far it is where that takes longer. See [the store](STORE.md).

Then a line says where the broker listens, who may enter, and what is kept when the process ends. It is written whatever \`log.level\` says, since it may hold the port that \`--port 0\` picked.

SIGTERM and SIGINT drain: the broker accepts no more, tells the clients to leave (MQTT 5: DISCONNECT with 0x8B), lets out what was sent, writes what its store has not written, and ends with exit code 0, after \`shutdown.timeout\` at the latest. A second signal ends it at once, with exit code 1.

### The log

On a terminal the log is text for people, in colour where the terminal has it; \`NO_COLOR\` and \`FORCE_COLOR\` are obeyed. Elsewhere each line is a JSON object: \`time\`, \`level\`, \`event\`, and the fields of that event. \`--log-format\` chooses one of them, \`--log-level\` leaves lines out. The log goes to standard output. What keeps the broker from starting goes to standard error, as text.

The broker never waits for the reader of its log. Lines that a slow reader leaves no room for are dropped, and a line says how many. A password is never logged.`;

const mosquittoText = `## What differs from mosquitto's clients

\`pub\` and \`sub\` take the options of mosquitto_pub and mosquitto_sub 2.x, long and short. These differ:

- Without \`-V\` they speak MQTT 3.1.1, and MQTT 5 where another option needs it.
- \`sub\` ends when the broker refuses one of the Topic Filters; mosquitto_sub ends when it refuses all.
- \`sub\` acknowledges a message when it is printed, not before. With \`-C\`, what comes after the last one stays with the broker.
- \`-W\` takes fractions of a second. \`%m\` is refused: Packet Identifiers are not told. \`%j\` writes the time zone without the stray \`Z\`, and \`%020x\` pads the whole text.
- A wrong option ends with exit code 2, so that it is not taken for another failure.
- An option of \`pub\` and \`sub\` has a long name where mosquitto's has none: \`--count\`, \`--format\`, \`--timeout\` and others.`;
