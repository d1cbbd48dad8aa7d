import { QOS } from "../../conformance/dist/interop/foreign-client.js";
import { PARTNERS, refusals, spoken, TRANSPORTS } from "../../conformance/dist/interop/matrix.js";
import { PEERS, spokenBy, unspoken } from "../../conformance/dist/client-interop/peers.js";
import { code, generated, plain, table } from "./markdown.mjs";

/** `docs/INTEROP.md`. */
export function interopPage() {
  const names = Object.entries(TRANSPORTS);
  const cells = spoken().length * QOS.length;
  const rows = PARTNERS.flatMap((partner) =>
    partner.versions.map((version) => [
      plain(partner.name),
      version,
      ...names.map(([transport]) =>
        partner.transports[transport] === true ? `QoS ${QOS.join(", ")}` : "–",
      ),
    ]),
  );
  const parts = [
    head,
    table(
      ["client", "what it is"],
      PARTNERS.map(({ name, what }) => [plain(name), what]),
    ),
    "## What is spoken",
    `These are ${cells} cells: client, version, transport and QoS. Each is tried in both directions.`,
    table(["client", "version", ...names.map(([, name]) => name)], rows),
    "## What is not, and why",
    "The tests try these too: when a client gives another answer one day, the reason is looked at again.",
    table(
      ["client", "transport", "it", "tried with", "which answers"],
      refusals().map(({ partner, transport, reason, attempt, says }) => [
        plain(partner.name),
        TRANSPORTS[transport],
        reason,
        code(attempt.join(" ")),
        code(says),
      ]),
    ),
    tail,
    ...peersParts(names),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** Our client with the brokers of others. */
function peersParts(names) {
  const cells = PEERS.flatMap((peer) => spokenBy(peer)).length * QOS.length;
  const rows = PEERS.flatMap((peer) =>
    [...new Set(spokenBy(peer).map(({ version }) => version))].map((version) => [
      plain(peer.name),
      version,
      ...names.map(([transport]) =>
        peer.transports[transport] === true ? `QoS ${QOS.join(", ")}` : "–",
      ),
    ]),
  );
  return [
    peersHead,
    table(
      ["broker", "what it is"],
      PEERS.map(({ name, what }) => [plain(name), what]),
    ),
    `These are ${cells} cells: broker, version, transport and QoS. Each is tried in both directions.`,
    table(["broker", "version", ...names.map(([, name]) => name)], rows),
    "What is not spoken, and why:",
    table(
      ["broker", "what", "it"],
      unspoken().map(({ peer, what, reason }) => [plain(peer.name), what, reason]),
    ),
    peersTail,
  ];
}

const head = `# Interoperation

${generated}

After this page you know which MQTT clients the broker is tried with before each change, with which brokers our own client
is, and what each of them speaks.`;

const tail = `## What is tried

One broker listens for TCP, TLS, WebSocket, secure WebSocket and on a Unix socket. Every client connects to it over every
transport that it speaks, in every version, all at the same time.

- **Each QoS**: each publishes a message at each QoS. It reaches all the others, whatever they speak, once, with its QoS,
  and with every byte as it was. TLS clients check the broker's certificate.
- **Sessions**: all leave, and come back to their sessions. What was published meanwhile, over each transport and in
  each version, is there.
- **Retained messages**: when they are back, what each had published comes to all once more, with RETAIN set.

Over TCP there is more: payloads up to 10 MiB and Topic Names of all kinds, Wills, retained messages that are deleted,
sessions that end, and each QoS against each granted QoS.

## Try it yourself

\`\`\`sh
apt install mosquitto-clients && pip install paho-mqtt
npm ci && npm run build && node tools/test.mjs --suite interop
\`\`\`

A client that is not installed is left out, and you are told. \`SERICITE_PYTHON\` names another Python than \`python3\`.
With \`SERICITE_INTEROP_PORT\` the tests over TCP take the broker that listens on that port of this machine, whichever it
is.`;

const peersHead = `## The client and the brokers of others

The same is done the other way round: \`@sericite/client\` is tried with these brokers, before each change too.`;

const peersTail = `With each broker all clients are connected at the same time, over every transport that it speaks, in every version.

- **Each QoS**: each publishes messages at each QoS. They reach all the others once, with their QoS, and with every byte
  as it was. The client checks the certificate.
- **Sessions**: all leave, and come back to their sessions. What each published meanwhile is there.
- **Retained messages**: to clients that come later they come once, with RETAIN set.

A version that a broker does not speak is refused, and the client says so (\`ERR_CONNECT_REFUSED\`, Reason Code 0x84).

\`\`\`sh
npm ci && npm run build && node tools/test.mjs --suite peers
\`\`\`

The scripts in \`bench/peers\` build the brokers once, for which Go, or Java and Maven have to be there; a broker whose
programs are missing is left out, and you are told. \`SERICITE_PEERS="mosquitto,Aedes"\` tries these alone.`;
