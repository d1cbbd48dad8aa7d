import {
  brokerErrorCodes,
  counterTable,
  dropReasons,
  limitTable,
  refusalReasons,
} from "@sericite/broker";
import { clientErrorCodes } from "@sericite/client";
import { protocolErrorCodes } from "@sericite/protocol";
import { commandErrorCodes } from "../../packages/sericite/dist/errors.js";
import { sysFigures } from "../../packages/broker/dist/engine/sys-figures.js";
import { code, generated, plain, table } from "./markdown.mjs";

/** `docs/REFERENCE.md`. */
export function referencePage() {
  const parts = [
    head,
    "## Error codes",
    "Every error that Sericite throws has a `code`. A `UsageError` is a mistake of the caller and thrown at once. A `ProtocolError` is a mistake of the other side and carries a Reason Code. A `ConnectionError` is a failure of the world, with its `cause`. A `RequestError` of the client is a request that was refused or could not be done.",
    "### Protocol",
    texts("code", protocolErrorCodes),
    "### Broker",
    texts("code", without(brokerErrorCodes, protocolErrorCodes)),
    "### Client",
    texts("code", without(clientErrorCodes, protocolErrorCodes)),
    "### Command",
    texts("code", without(commandErrorCodes, brokerErrorCodes)),
    "## Why a message was not delivered",
    "`broker.drops` counts each; logs and metrics use the same names.",
    texts("reason", dropReasons),
    "## Why a connection ended before MQTT began",
    "Each is a log line `connection-refused` with its reason.",
    texts("reason", refusalReasons),
    "## Limits that a client can meet",
    "`broker.limitsReached` counts each, by these names. The log has a line `limit-reached` of each in ten seconds, and `unsaid` says how many more there were. A code of CONNACK, DISCONNECT, SUBACK or PUBACK stands for itself; `closed` is without a word.",
    table(
      ["limit", "MQTT 5.0", "MQTT 3.1 and 3.1.1"],
      Object.entries(limitTable).map(([name, { v5, v3 }]) => [code(name), plain(v5), plain(v3)]),
    ),
    "## Counters",
    "`broker.counters` has them. They rise only, from the start of the broker.",
    table(
      ["counter", "what it counts"],
      Object.entries(counterTable).map(([name, row]) => [code(name), plain(row.text)]),
    ),
    "## Figures in `$SYS`",
    "The broker publishes them every `sys.interval`, retained: `mosquitto_sub -v -t '$SYS/broker/#'` shows them. Beside those of the table, below `$SYS/broker/`, there is `limits/` with the name of each limit that was met, and `drops/` with each reason for which a message was dropped, once there is something to count. `sys.presence` tells below `$SYS/brokers/` who comes and goes.",
    table(
      ["topic", "what it tells"],
      Object.entries(sysFigures).map(([name, row]) => [code(name), plain(row.text)]),
    ),
  ];
  return `${parts.join("\n\n")}\n`;
}

function texts(head, rows) {
  return table(
    [head, "meaning"],
    Object.entries(rows).map(([name, text]) => [code(name), plain(text)]),
  );
}

/** Rows that another table does not have already. */
function without(rows, others) {
  return Object.fromEntries(Object.entries(rows).filter(([name]) => !Object.hasOwn(others, name)));
}

const head = `# Error codes, reasons and counters

${generated}

After this page you know what each name in an error, a log line or a metric means.`;
