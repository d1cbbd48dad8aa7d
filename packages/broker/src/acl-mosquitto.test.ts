import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect, ReasonCode } from "@sericite/client";
import type { Client } from "@sericite/client";
import { UsageError } from "@sericite/protocol";
import { AclRules } from "./auth/acl-file.ts";
import { createBroker } from "./broker.ts";

const installed = (program: string): string | false =>
  spawnSync(program, ["-h"]).error === undefined ? false : `${program} is not installed`;

/** What both read. */
const common = `
topic read public/#
topic write inbox

user admin
topic readwrite #

user bob
topic bob/both
topic read news/+
topic write log/#
topic deny log/secret
topic deny news/secret

pattern read to/%u/#
pattern write from/%c/%u
`;
const topics = [
  "public",
  "public/a/b",
  "inbox",
  "inbox/a",
  "bob/both",
  "bob/both/a",
  "news/a",
  "news/a/b",
  "news/secret",
  "log",
  "log/a/b",
  "log/secret",
  "to/bob",
  "to/bob/x",
  "to/admin",
  "to/a/b",
  "from/client-of-bob/bob",
  "from/x/bob",
  "else",
];

function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "sericite-acl-"));
  return body(directory).finally(() => rmSync(directory, { recursive: true }));
}

/** What each user may publish and what it is delivered. */
async function accessAt(port: number): Promise<object> {
  const dial = (username?: string, clientId = `client-of-${username}`): Promise<Client> =>
    connect(`mqtt://127.0.0.1:${port}`, {
      reconnect: false,
      clientId,
      ...(username === undefined ? {} : { username }),
    });
  const admin = await dial("admin", "publisher");
  const found: Record<string, object> = {};
  // Not one such as `a/b`, to which mosquitto gives `to/a/b`: that may be somebody else's.
  for (const username of [undefined, "bob", "admin"]) {
    const client = await dial(username);
    const publishes: string[] = [];
    for (const topicName of topics) {
      const refusal: unknown = await client.publish(topicName, "x", { qos: 1 }).then(
        () => undefined,
        (error: { reasonCode?: number }) => error.reasonCode,
      );
      if (refusal === undefined) publishes.push(topicName);
      else assert.equal(refusal, ReasonCode.notAuthorized);
    }
    await client.disconnect();
    // Topic by topic: mosquitto grants every Topic Filter, and leaves out at delivery.
    const receives: string[] = [];
    for (const topicName of topics) {
      const receiver = await dial(username);
      let got = false;
      await receiver.subscribe(topicName, () => void (got = true)).catch(() => undefined);
      await admin.publish(topicName, "x", { qos: 1 });
      // Whatever it answers, it answers behind what was delivered.
      await receiver.subscribe("barrier").catch(() => undefined);
      if (got) receives.push(topicName);
      await receiver.disconnect();
    }
    found[username ?? "anonymous"] = { publishes, receives };
  }
  await admin.disconnect();
  return found;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

test("a file of mosquitto's says here what it says there", { skip: installed("mosquitto") }, () =>
  withDirectory(async (directory) => {
    const aclFile = join(directory, "acl");
    writeFileSync(aclFile, common);
    const port = await freePort();
    const configuration = join(directory, "mosquitto.conf");
    writeFileSync(
      configuration,
      `listener ${port} 127.0.0.1\nallow_anonymous true\nacl_file ${aclFile}\nuser ${userInfo().username}\n`,
    );
    const mosquitto = spawn("mosquitto", ["-c", configuration], { stdio: "pipe" });
    let expected: object;
    try {
      for await (const chunk of mosquitto.stderr as AsyncIterable<Buffer>)
        if (chunk.toString().includes("running")) break;
      expected = await accessAt(port);
    } finally {
      mosquitto.kill();
    }
    await using broker = await createBroker({
      settings: { auth: { aclFile } },
      authenticator: () => true,
    });
    const listener = await broker.listen({ port: 0 });
    assert.deepEqual(await accessAt(listener.port!), expected);
  }),
);

test(
  "mosquitto_pub and mosquitto_sub are told what they may not",
  { skip: installed("mosquitto_pub") },
  () =>
    withDirectory(async (directory) => {
      const aclFile = join(directory, "acl");
      writeFileSync(aclFile, common);
      await using broker = await createBroker({
        settings: { auth: { aclFile } },
        authenticator: () => true,
      });
      const { port } = await broker.listen({ port: 0 });
      const run = async (program: string, ...options: string[]): Promise<string> => {
        const child = spawn(program, ["-p", String(port), "-u", "bob", ...options]);
        let text = "";
        for (const stream of [child.stdout, child.stderr])
          stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
        const [code] = (await once(child, "close")) as [number];
        return `${code} ${text}`.trim();
      };
      for (const version of ["mqttv311", "mqttv5"]) {
        const denied = await run("mosquitto_sub", "-V", version, "-t", "else", "-W", "5");
        assert.match(denied, /denied/);
        const publish = ["-V", version, "-q", "1", "-m", "x", "-t"];
        assert.equal(await run("mosquitto_pub", ...publish, "log/a"), "0");
        const refused = await run("mosquitto_pub", ...publish, "else");
        if (version === "mqttv5") assert.match(refused, /[Nn]ot authorized/);
        else assert.equal(refused, "0");
      }
      assert.equal(broker.drops["publish-denied"], 2);
      assert.equal(broker.counters.subscriptionsRefused, 2);
    }),
);

test("the file that the documentation shows can be read", () => {
  const page = readFileSync(new URL("../../../docs/ACCESS.md", import.meta.url), "utf8");
  const shown = /```\n(# access\.conf\n.*?)```/s.exec(page)![1]!;
  const rules = AclRules.parse(shown, "access.conf");
  assert.equal(rules.of("bob").length, 3);
  assert.throws(() => AclRules.parse(`${shown}\ntopik`, "access.conf"), UsageError);
});
