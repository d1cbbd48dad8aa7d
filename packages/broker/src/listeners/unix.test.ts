import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Gathering } from "./gathering.test-support.ts";
import { until } from "./links.test-support.ts";
import { listenUnix } from "./unix.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-"));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const newPath = (): string => join(folder, `${count++}.sock`);

test("a Unix socket has a path and no address, and goes with its listener", async () => {
  const path = newPath();
  const { accept, links } = new Gathering();
  const listener = await listenUnix(accept, { path });
  assert.equal(listener.name, `unix:${path}`);
  assert.equal(listener.url, `unix://${path}`);
  const socket = connect(path);
  socket.write("ping");
  const [echoed] = (await once(socket, "data")) as [Buffer];
  assert.equal(echoed.toString(), "ping");
  const expected = {
    listener: listener.name,
    transport: "unix",
    address: undefined,
    port: undefined,
  };
  assert.deepEqual(links[0]!.link.peer, expected);
  await listener.close();
  assert.equal(existsSync(path), false);
  socket.destroy();
  await until(() => links[0]!.isClosed);
});

for (const [mode, expected] of [
  [undefined, 0o660],
  ["0600", 0o600],
  ["666", 0o666],
] as const) {
  test(`the file of a socket has the mode ${mode ?? "0660 by default"}`, async () => {
    const path = newPath();
    const listener = await listenUnix(new Gathering().accept, { path, ...(mode && { mode }) });
    assert.equal(statSync(path).mode & 0o777, expected);
    await listener.close();
  });
}

for (const mode of ["0888", "rw", "1777", ""]) {
  test(`"${mode}" is no mode`, async () => {
    const path = newPath();
    await assert.rejects(listenUnix(new Gathering().accept, { path, mode }), {
      code: "ERR_SETTING",
    });
    assert.equal(existsSync(path), false);
  });
}

test("the socket of a process that was killed is replaced", async () => {
  const path = newPath();
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(existsSync(path), true);
  const listener = await listenUnix(new Gathering().accept, { path });
  const socket = connect(path);
  await once(socket, "connect");
  socket.destroy();
  await listener.close();
});

test("a socket on which somebody answers is left alone", async () => {
  const path = newPath();
  const living = await listenUnix(new Gathering().accept, { path });
  await assert.rejects(listenUnix(new Gathering().accept, { path }), {
    code: "ERR_LISTEN",
    message: /another process/,
  });
  const socket = connect(path);
  await once(socket, "connect");
  socket.destroy();
  await living.close();
});

test("a file that is no socket is left alone", async () => {
  const path = newPath();
  writeFileSync(path, "precious");
  await assert.rejects(listenUnix(new Gathering().accept, { path }), {
    code: "ERR_LISTEN",
    message: /no socket/,
  });
  assert.equal(statSync(path).size, 8);
});

test("a folder that is not there is told by name", async () => {
  const path = join(folder, "nowhere", "x.sock");
  await assert.rejects(listenUnix(new Gathering().accept, { path }), {
    code: "ERR_LISTEN",
    message: /nowhere, the folder/,
  });
});

test("a proxy on a Unix socket is trusted where `unix` is", async () => {
  const path = newPath();
  const { accept, links } = new Gathering();
  const listener = await listenUnix(accept, { path, proxy: { protocol: true, trusted: ["unix"] } });
  const socket = connect(path);
  socket.write("PROXY TCP4 192.0.2.7 127.0.0.1 5678 1883\r\nping");
  await until(() => links[0]?.received().toString() === "ping");
  assert.equal(links[0]!.link.peer.address, "192.0.2.7");
  assert.equal(links[0]!.link.peer.transport, "unix");
  socket.destroy();
  await listener.close();
});
