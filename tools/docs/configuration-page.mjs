import { brokerCommandSettings } from "../../packages/sericite/dist/broker/broker-options.js";
import { banRows } from "../../packages/sericite/dist/settings/ban-list.js";
import { listenerRows } from "../../packages/sericite/dist/settings/listener-list.js";
import { environmentName } from "../../packages/sericite/dist/settings/setting-name.js";
import {
  byteUnits,
  durationUnits,
  formatSettingValue,
  rangeOf,
  shareText,
} from "../../packages/sericite/dist/settings/setting-value.js";
import {
  autoSubscribeRows,
  rewriteRows,
} from "../../packages/sericite/dist/settings/topic-lists.js";
import { code, generated, plain, table } from "./markdown.mjs";

/** What each section is about. */
const sections = {
  listen: "Where the broker listens.",
  tls: "Certificates of the TLS and secure WebSocket listeners.",
  websocket: "What the WebSocket listeners take.",
  proxy:
    "Proxies in front of the broker, and whether their word about a client's address is taken.",
  auth: "Who may enter, see [Authentication](AUTHENTICATION.md), and who may publish and get what, see [Access](ACCESS.md).",
  jwt: "Tokens that let clients in: see [Authentication](AUTHENTICATION.md#tokens).",
  store: "What outlives the process, and where it is kept: see [the store](STORE.md).",
  mqtt: "What the protocol allows a client.",
  session: "What is kept for a client, and for how long.",
  shared: "Shared subscriptions.",
  delayed: "Delayed messages, published to `$delayed/<seconds>/<topic>`.",
  sys: "What the broker tells of itself under `$SYS/`.",
  limits: "Bounds of the broker as a whole.",
  log: "The log of the command.",
  trace: "Packets of one client or topic in the log: see [Operation](OPERATION.md#traces).",
  shutdown: "The end of the command.",
};

/** `docs/CONFIGURATION.md`. */
export function configurationPage() {
  const parts = [head];
  for (const [section, rows] of Object.entries(brokerCommandSettings)) {
    parts.push(`### ${section}`, aboutSection(section), settingTable(section, rows));
  }
  parts.push("### listeners", listenersText, listTable(listenerRows));
  parts.push("### rewrite", rewriteText, listTable(rewriteRows));
  parts.push("### autoSubscribe", autoSubscribeText, listTable(autoSubscribeRows));
  parts.push("### bans", bansText, listTable(banRows));
  return `${parts.join("\n\n")}\n`;
}

function aboutSection(section) {
  const text = sections[section];
  if (text === undefined) throw new Error(`say in ${import.meta.url} what ${section} is about`);
  return text;
}

const listenersText =
  "A list, in a config file only: see [Listeners](LISTENERS.md#from-a-config-file). A key with a point stands a level deeper. What an entry leaves out is as the settings above say. A reload opens, changes and closes listeners as the list says then: see [Operation](OPERATION.md#reload).";

const rewriteText =
  "A list, in a config file only: rules that put other topics in place of those that clients name. The first that fits is used. See [Operation](OPERATION.md#topics-under-other-names). A reload takes all of it.";

const bansText =
  "A list, in a config file only: clients that are kept out as long as they stand here. See [Operation](OPERATION.md#bans). A reload takes all of it, and ends the connections of those that are new in it.";

const autoSubscribeText =
  "A list, in a config file only: subscriptions that each client gets when it connects. See [Operation](OPERATION.md#subscriptions-that-nobody-asked-for). A reload takes all of it, for clients that connect from then on.";

function listTable(rows) {
  return table(
    ["key", "value", "what it does"],
    Object.entries(rows).map(([key, row]) => [code(key), valueText(row), plain(row.text)]),
  );
}

function settingTable(section, rows) {
  return table(
    ["setting", "value", "default", "what it does", "changes"],
    Object.entries(rows).map(([key, row]) => {
      const path = `${section}.${key}`;
      const flag = row.flag === undefined ? "" : `<br>${code(`--${row.flag}`)}`;
      return [
        `${code(path)}<br>${code(environmentName(path))}${flag}`,
        valueText(row),
        row.ofMemory !== undefined
          ? shareText(row)
          : row.type === "string" && row.default === ""
            ? (row.emptyMeans ?? "none")
            : code(formatSettingValue(row, row.default)),
        plain(row.text),
        row.live ? "live" : "at the next start",
      ];
    }),
  );
}

function valueText(row) {
  const range = rangeOf(row);
  const within = range === "" ? "" : `, ${range}`;
  switch (row.type) {
    case "choice":
      return row.choices.map(code).join(", ");
    case "boolean":
      return "`true`, `false`";
    case "integer":
      return `number${within}`;
    case "bytes":
      return `size${within}`;
    case "seconds":
    case "milliseconds":
      return `time${within}; a bare number is ${row.type}`;
    case "port":
      return "port, `0` or `off`";
    default:
      return row.secret ? "text, secret" : "text";
  }
}

const units = (table) => Object.keys(table).map(code).join(", ");

const head = `# Configuration

${generated}

After this page you can change every setting of \`sericite broker\`, see which value is used, and know where it came from.

Start with what you need and nothing else. A broker without any configuration is useful: it listens on \`127.0.0.1\`, port 1883.

\`\`\`yaml
# sericite.yaml
listen:
  host: 0.0.0.0
auth:
  username: sensors
session:
  maximumExpiryInterval: 30d
  queueMaximumBytes: 16MiB
\`\`\`

\`\`\`sh
SERICITE_AUTH_PASSWORD=... sericite broker --config sericite.yaml --log-level warn
\`\`\`

## Where values come from

Each setting has a section and a key. You can give it in three places:

| place | how | example |
| --- | --- | --- |
| flag | \`--section.key value\`, or a flag of its own where the tables below name one | \`--mqtt.maximumQos 1\` |
| environment | \`SERICITE_\`, section, key, in capitals with \`_\` between words | \`SERICITE_MQTT_MAXIMUM_QOS=1\` |
| config file | a section with its keys; the file is named by \`--config\` (\`-c\`) or \`SERICITE_CONFIG\` | \`mqtt:\` and below it \`maximumQos: 1\` |

A flag wins over the environment, the environment over the file, the file over the default.

The config file is YAML 1.2. JSON works too, since it is a part of YAML. No file is read unless you name one.

Two options help:

- \`sericite broker --print-config …\` prints all settings as a config file, each with where its value comes from. Secrets are hidden.
- \`sericite broker --check-config …\` says what is wrong, all of it, and starts nothing. The exit code is 0 or 2.

A name that does not exist, or a value that does not fit, keeps the broker from starting. The message has the file with line and column, the type that was expected, and the name that is nearest:

\`\`\`
sericite: sericite.yaml:4:3: there is no setting mqtt.maximumQoss; did you mean mqtt.maximumQos (a whole number, 0 to 2)?
\`\`\`

An environment variable that begins with \`SERICITE_\` and looks like no setting at all is left alone, with a warning. So are the variables that Kubernetes makes for a service called \`sericite\`, without one.

## How values are written

- Numbers are whole numbers.
- Sizes are bytes, or a number with a unit: ${units(byteUnits)}. \`K\` is 1000, \`Ki\` is 1024.
- Times are a number with a unit: ${units(durationUnits)} (\`m\` is minutes). A bare number counts in the unit that the table names.
- True and false are \`true\`, \`yes\`, \`on\` and \`false\`, \`no\`, \`off\`. A flag alone is true: \`--allow-anonymous\`.
- A port is 1 to 65535. \`0\` picks a free one, and the start line tells which. \`off\` switches the listener off.
- The path of a file that does not begin with \`/\` counts from the directory that the broker is started in.
- A text that looks like a number must stand in quotes in a config file: \`username: "42"\`.

## Who may enter

The broker listens on loopback only. There it lets everybody in, as long as nothing says who may enter. A \`listen.host\` that other machines can reach needs one of these, or the broker refuses to start:

- users: \`auth.passwordFile\`, or one in \`auth.username\` and \`auth.password\`,
- certificates, tokens or a web service: see [Authentication](AUTHENTICATION.md),
- \`--allow-anonymous\`, which lets everybody in, by name.

Give a password in the environment or in the config file. Other users of the machine can read the flags of a process; the broker warns when it finds a password there. A password is never printed and never logged.

## All settings

"live" means that a running broker takes it: at SIGHUP, or by \`reconfigure\` of an embedding program. See [Operation](OPERATION.md).`;
