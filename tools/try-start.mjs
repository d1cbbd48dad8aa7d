/**
 * Runs `npm start` as the README says, on a free port and with a directory of its own: it must
 * listen, answer a CONNECT, end when told to with exit code 0, and leave nothing behind.
 */
import { spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { ROOT, temporaryFolder } from "./checkout.mjs";

/** What is waited for must come within this time. Milliseconds. */
const LIMIT_MS = 60_000;

/** CONNECT, MQTT 3.1.1, Clean Session, Keep Alive 10, Client Identifier "start". */
const CONNECT = Buffer.from("101100044d5154540402000a00057374617274", "hex");
const CONNACK_ACCEPTED = "20020000";

const DATA = temporaryFolder("start");
process.on("exit", () => rmSync(DATA, { recursive: true }));

const npm = spawn("npm", ["start", "--", "--port", "0", "--data-dir", DATA], {
  cwd: ROOT,
  stdio: ["ignore", "pipe", "pipe"],
});
let printed = "";
const timer = setTimeout(() => fail(`nothing more came within ${LIMIT_MS / 1000} s`), LIMIT_MS);

function fail(reason) {
  console.error(`npm start: ${reason}\n${printed}`);
  npm.kill("SIGTERM");
  process.exit(1);
}

const port = await new Promise((resolve) => {
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text) => {
      printed += text;
      const found = /(?:127\.0\.0\.1|localhost):(\d+)|"port":\s*"?(\d+)/.exec(printed);
      if (found !== null) resolve(Number(found[1] ?? found[2]));
    });
  }
  npm.once("exit", (code) => fail(`ended with ${code} before it listened`));
});

const answer = await new Promise((resolve) => {
  const socket = connect(port, "127.0.0.1", () => socket.write(CONNECT));
  socket.once("data", (bytes) => {
    socket.destroy();
    resolve(bytes.toString("hex"));
  });
  socket.once("error", (error) => fail(`no connection to port ${port}: ${error.message}`));
});
if (answer !== CONNACK_ACCEPTED) fail(`CONNECT was answered with ${answer}`);

npm.removeAllListeners("exit");
const code = await new Promise((resolve) => {
  npm.once("exit", resolve);
  npm.kill("SIGTERM");
});
if (code !== 0) fail(`ended with ${code} after SIGTERM`);

await new Promise((resolve) => {
  const socket = connect(port, "127.0.0.1", () => fail(`port ${port} is still served`));
  socket.once("error", resolve);
});
clearTimeout(timer);
if (existsSync(join(DATA, "lock"))) fail("the directory of the store is still taken");
console.log(`npm start listened on port ${port}, answered and ended`);
