import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, UsageError } from "@sericite/client";
import type { Client, Message } from "@sericite/client";
import {
  runCommand,
  RunningCommand,
  startBroker,
  startCommand,
} from "../testing/run-command.test-support.ts";
import type { RunningBroker } from "../testing/run-command.test-support.ts";
import { run as runPublish } from "./publish-command.ts";
import { run as runSubscribe } from "./subscribe-command.ts";

const user = { SERICITE_AUTH_USERNAME: "me", SERICITE_AUTH_PASSWORD: "secret" };
const withoutMosquitto = spawnSync("mosquitto_sub", ["--version"]).error
  ? "mosquitto's clients are not installed"
  : false;

let broker: RunningBroker;
let client: Client;

before(async () => {
  broker = await startBroker(["--allow-anonymous"], { env: user });
  client = await connect(`mqtt://127.0.0.1:${broker.port}`);
});

after(async () => {
  await client.disconnect();
  await broker.command.stop();
});

/** Arguments of a command for the broker of this file. */
const to = (...argv: string[]): string[] => [
  argv[0]!,
  "-h",
  "127.0.0.1",
  "-p",
  String(broker.port),
  ...argv.slice(1),
];

/** Collects the messages of a topic filter until so many are there. */
async function collect(topicFilter: string, count: number): Promise<() => Promise<Message[]>> {
  const messages: Message[] = [];
  let enough: () => void = () => {};
  const all = new Promise<void>((resolve) => (enough = resolve));
  const subscription = await client.subscribe(
    topicFilter,
    (message) => {
      messages.push(message);
      if (messages.length === count) enough();
    },
    { qos: 2 },
  );
  return async () => {
    await all;
    await subscription.unsubscribe();
    return messages;
  };
}

/** Starts `sub -d` and waits until it has subscribed. */
async function subscribe(...argv: string[]): Promise<RunningCommand> {
  const command = startCommand(to("sub", "-d", ...argv));
  await command.output(/subscribed, granted QoS/);
  return command;
}

for (const version of ["31", "311", "5"]) {
  test(`pub publishes at every QoS in version ${version}`, async () => {
    const collected = await collect(`pub/${version}/#`, 3);
    const runs = ["0", "1", "2"].map((qos) =>
      runCommand(
        to("pub", "-V", version, "-t", `pub/${version}/${qos}`, "-m", `-${qos}`, "-q", qos),
      ),
    );
    for (const { code, stderr } of await Promise.all(runs)) assert.equal(code, 0, stderr);
    const messages = await collected();
    assert.deepEqual(
      messages.map((message) => `${message.topicName} ${message.text()} ${message.qos}`).sort(),
      [0, 1, 2].map((qos) => `pub/${version}/${qos} -${qos} ${qos}`),
    );
  });

  test(`sub prints messages of every QoS in version ${version}, then ends`, async () => {
    const command = await subscribe(
      "-V",
      version,
      "-t",
      `sub/${version}/+`,
      "-q",
      "2",
      "-C",
      "3",
      "-v",
    );
    for (const qos of [0, 1, 2] as const)
      await client.publish(`sub/${version}/é`, `m${qos}`, { qos });
    const { code, stdout } = await command.ended;
    assert.equal(code, 0);
    assert.equal(stdout.toString(), [0, 1, 2].map((qos) => `sub/${version}/é m${qos}\n`).join(""));
  });
}

test("pub -l publishes each line, in order and byte for byte, and -s and -f all at once", async () => {
  const collected = await collect("lines/#", 5);
  const directory = mkdtempSync(join(tmpdir(), "sericite-pub-"));
  const file = join(directory, "payload");
  writeFileSync(file, Uint8Array.of(1, 10, 255));
  try {
    for (const [argv, input] of [
      [["-t", "lines/l", "-l", "-q", "1"], Buffer.from("a\n\xff\nlast", "latin1")],
      [["-t", "lines/s", "-s"], "x\ny\n"],
      [["-t", "lines/f", "-f", file], ""],
    ] as const) {
      const { code, stderr } = await runCommand(to("pub", ...argv), { input });
      assert.equal(code, 0, stderr);
    }
    const messages = await collected();
    assert.deepEqual(
      messages.map(
        ({ topicName, payload }) => `${topicName} ${Buffer.from(payload).toString("hex")}`,
      ),
      ["lines/l 61", "lines/l ff", "lines/l 6c617374", "lines/s 780a790a", "lines/f 010aff"],
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("pub retains, repeats, and removes what is retained", async () => {
  const collected = await collect("keep/#", 3);
  assert.equal(
    (
      await runCommand(
        to("pub", "-t", "keep/a", "-m", "x", "-r", "--repeat", "2", "--repeat-delay", "0.01"),
      )
    ).code,
    0,
  );
  const retained = await runCommand(to("sub", "-t", "keep/a", "-C", "1", "-F", "%p %r"));
  assert.equal(retained.stdout.toString(), "x 1\n");
  assert.equal((await runCommand(to("pub", "-t", "keep/a", "-n", "-r"))).code, 0);
  assert.deepEqual(
    (await collected()).map((message) => message.text()),
    ["x", "x", ""],
  );
});

test("properties go out with -D and come in with -F", async () => {
  const command = await subscribe("-V", "5", "-t", "props", "-C", "1", "-F", "%C|%R|%D|%P");
  const properties =
    "-D publish content-type a/b -D publish response-topic r -D publish correlation-data c -D publish user-property k -v";
  assert.equal(
    (await runCommand(to("pub", "-t", "props", "-n", ...properties.split(" ")))).code,
    0,
  );
  assert.equal((await command.ended).stdout.toString(), "a/b|r|c|k:-v\n");
});

test("sub -c keeps the session, and takes no more than -C says", async () => {
  const argv = ["-c", "-i", "kept", "-q", "1", "-t", "kept"];
  assert.equal((await runCommand(to("sub", ...argv, "-E"))).code, 0);
  for (const text of ["1", "2", "3"]) await client.publish("kept", text, { qos: 1 });
  assert.equal((await runCommand(to("sub", ...argv, "-C", "1"))).stdout.toString(), "1\n");
  assert.equal((await runCommand(to("sub", ...argv, "-C", "2"))).stdout.toString(), "2\n3\n");
  const { code, stdout } = await runCommand(to("sub", ...argv, "-W", "0.3"));
  assert.deepEqual([code, stdout.toString()], [27, ""]);
});

test("sub leaves out what -T and -R say, and prints no line feed with -N", async () => {
  await client.publish("out/old", "old", { qos: 1, retain: true });
  const command = await subscribe("-t", "out/#", "-T", "out/not/#", "-R", "-N", "-C", "2");
  for (const topicName of ["out/not", "out/yes", "out/not/b", "out/too"])
    await client.publish(topicName, topicName.slice(4), { qos: 1 });
  assert.equal((await command.ended).stdout.toString(), "yestoo");
  await client.publish("out/old", "", { qos: 1, retain: true });
});

test("sub --remove-retained clears what is retained, and --retained-only ends at the first other message", async () => {
  for (const name of ["a", "b"])
    await client.publish(`clear/${name}`, name, { qos: 1, retain: true });
  const command = await subscribe("-t", "clear/#", "-v", "--remove-retained", "--retained-only");
  const { code, stdout } = await command.ended;
  assert.deepEqual(
    [code, stdout.toString().split("\n").sort().join("|")],
    [0, "|clear/a a|clear/b b"],
  );
  assert.equal((await runCommand(to("sub", "-t", "clear/#", "-W", "0.3"))).code, 27);
});

test("sub ends with 0 at SIGINT, and its Will is not published", async () => {
  const collected = await collect("gone/#", 1);
  const command = await subscribe("-t", "x", "--will-topic", "gone/int");
  assert.equal((await command.stop("SIGINT")).code, 0);
  const killed = await subscribe(
    "-t",
    "x",
    "--will-topic",
    "gone/kill",
    "--will-payload",
    "bye",
    "--will-qos",
    "1",
  );
  await killed.stop("SIGKILL");
  assert.deepEqual(
    (await collected()).map((message) => `${message.topicName} ${message.text()}`),
    ["gone/kill bye"],
  );
});

test("sub ends with 0 when its reader has seen enough, and acknowledges nothing that was not printed", async () => {
  const command = await subscribe("-t", "pipe", "-q", "1", "-c", "-i", "pipe");
  await client.publish("pipe", "1", { qos: 1 });
  await command.output(/^1\n/);
  command.process.stdout!.destroy();
  await client.publish("pipe", "2", { qos: 1 });
  const { code, stderr } = await command.ended;
  assert.equal(code, 0);
  assert.doesNotMatch(stderr, /EPIPE|Error/);
  const rest = await runCommand(to("sub", "-t", "pipe", "-q", "1", "-c", "-i", "pipe", "-C", "1"));
  assert.equal(rest.stdout.toString(), "2\n");
});

test("what the broker refuses is told, with its exit code", async () => {
  for (const [argv, code, message] of [
    [["-V", "5", "-u", "me", "-P", "wrong"], 134, /0x86/],
    [["-V", "311", "-u", "me", "-P", "wrong"], 4, /sericite: /],
    [["-V", "311", "-u", "me", "-P", "secret"], 0, /^$/],
    [["-V", "311", "-u", "me", "-P", "wrong", "--quiet"], 4, /^$/],
  ] as const) {
    const ended = await runCommand(to("pub", "-t", "a", "-m", "b", ...argv));
    assert.equal(ended.code, code, argv.join(" "));
    assert.match(ended.stderr, message);
    assert.doesNotMatch(ended.stderr, /wrong|secret/);
  }
});

for (const [name, argv, code, message] of [
  ["a Topic Name that is refused", ["-V", "5", "-t", "$SYS/x", "-m", "x", "-q", "1"], 135, /0x87/],
  ["5.0: a message above the limit", ["-V", "5", "-t", "big", "-s", "-q", "1"], 149, /bytes/],
  ["5.0, QoS 0: a message above the limit", ["-V", "5", "-t", "big", "-s"], 149, /bytes/],
  ["3.1.1: a message above the limit", ["-t", "big", "-s", "-q", "1"], 1, /closed/],
  ["3.1.1, QoS 0: a message above the limit", ["-t", "big", "-s"], 1, /sericite: the connection/],
] as const) {
  test(`${name} ends pub with exit code ${code}`, async () => {
    const input = Buffer.alloc(11 * 1024 * 1024);
    const ended = await runCommand(to("pub", ...argv), { input });
    assert.equal(ended.code, code, ended.stderr);
    assert.match(ended.stderr, message);
  });
}

test("pub says that a port is no MQTT server's", async () => {
  const web = createServer((_request, response) => void response.end());
  web.listen(0, "127.0.0.1");
  await once(web, "listening");
  const { port } = web.address() as AddressInfo;
  const argv = ["pub", "-h", "127.0.0.1", "-p", String(port), "-t", "a", "-m", "b"];
  const { code, stderr } = await runCommand(argv);
  web.close();
  assert.equal(code, 1);
  assert.equal(stderr, "sericite: this is no MQTT server: it answers in HTTP\n");
});

test("no broker at the address ends with exit code 1", async () => {
  const { code, stderr } = await runCommand([
    "pub",
    "-h",
    "127.0.0.1",
    "-p",
    "1",
    "-t",
    "a",
    "-m",
    "b",
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /^sericite: no server at mqtt:\/\/127\.0\.0\.1:1\n$/);
});

for (const [command, argv, message] of [
  [runPublish, "-m x", /there is no topic/],
  [runPublish, "-t a", /there is no message/],
  [runPublish, "-t a -m x -n", /only one of/],
  [runPublish, "-t a/# -m x", /-t "a\/#"/],
  [runPublish, "-t a -m x -q 3", /-q is "3"/],
  [runPublish, "-t a -l --repeat 2", /--repeat and -l/],
  [runPublish, "-t a -m x --repeat-delay soon", /--repeat-delay is "soon"/],
  [runPublish, "-t a -m x --topicc b", /did you mean --topic\?/],
  [runSubscribe, "-v", /there is no topic/],
  [runSubscribe, "-t a/#/b", /a # before its last level/],
  [runSubscribe, "-t a -C 0", /-C is "0"/],
  [runSubscribe, "-t a -W 1s", /-W is "1s", expected seconds/],
  [runSubscribe, "-t a -F %z", /"%z" is no sequence/],
  [runSubscribe, "-t a --random-filter 0", /--random-filter is "0"/],
  [runSubscribe, "-t a --no-local -V 311", /another option needs MQTT 5/],
] as const) {
  test(`${command === runPublish ? "pub" : "sub"} ${argv} is refused before anything is sent`, async () => {
    await assert.rejects(
      command(argv.split(" ")),
      (error) => error instanceof UsageError && message.test(error.message),
    );
  });
}

test("mosquitto_sub and sub print the same", { skip: withoutMosquitto }, async () => {
  const format = "%t|%p|%q|%r|%l|%x|%X|%C|%D|%R|%E|%F|%P|%10t|%-10t|%010l|%5.2t|@Y|%%|@@|\\t|";
  const argv = [
    "-h",
    "127.0.0.1",
    "-p",
    String(broker.port),
    "-V",
    "5",
    "-t",
    "same",
    "-q",
    "1",
    "-C",
    "1",
    "-F",
    format,
  ];
  await client.publish("same", 'h"i\u00e9', {
    qos: 1,
    retain: true,
    properties: {
      contentType: "a/b",
      correlationData: Buffer.from("c"),
      responseTopic: "r",
      payloadFormatIndicator: 1,
      userProperties: [
        ["k", "v"],
        ["l", "w"],
      ],
    },
  });
  const [ours, theirs] = await Promise.all([
    runCommand(["sub", ...argv]),
    new RunningCommand("mosquitto_sub", argv, {}).ended,
  ]);
  assert.equal(ours.stdout.toString(), theirs.stdout.toString());
  await client.publish("same", "", { qos: 1, retain: true });
});

test("mosquitto_pub and pub publish the same", { skip: withoutMosquitto }, async () => {
  const collected = await collect("both", 6);
  const argv = [
    "-h",
    "127.0.0.1",
    "-p",
    String(broker.port),
    "-V",
    "5",
    "-t",
    "both",
    "-l",
    "-q",
    "2",
    "-D",
    "publish",
    "user-property",
    "k",
    "v",
  ];
  for (const run of [
    runCommand(["pub", ...argv], { input: "a\n\nc" }),
    new RunningCommand("mosquitto_pub", argv, { input: "a\n\nc" }).ended,
  ]) {
    assert.equal((await run).code, 0);
  }
  const messages = (await collected()).map((message) => [
    message.text(),
    message.qos,
    message.retain,
    message.properties?.userProperties,
  ]);
  assert.deepEqual(messages.slice(0, 3), messages.slice(3));
});
