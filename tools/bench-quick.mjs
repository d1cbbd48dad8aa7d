/**
 * How fast this version is beside the commit before, in less than a minute: a broker under load
 * and a few micro-benchmarks, the two versions in turns.
 *
 *     node tools/bench-quick.mjs [BASE]
 *
 * BASE is the commit before, or the last commit if the working tree has changes. It prints ratios
 * and warns; it never fails because something is slower, since a noisy machine must not fail a
 * run. `npm run bench:compare` and `npm run bench` tell more. Without Go the load is left out.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { buildCheckout, ROOT, temporaryFolder } from "./checkout.mjs";
import { median, rankInterval } from "./paired-statistics.mjs";

/** What is run: pairs at QoS 1, since every part of the broker's path takes part in it. */
const SCENARIO = ["pairs", "--pubs", "100", "--qos", "1", "--window", "20"];
const LENGTH = ["--warmup", "200ms", "--duration", "500ms", "--drain", "500ms"];
/** Fewer give no interval. */
const PAIRS = 8;
/** A ratio below this, with all of its interval, is warned of. */
const SLOWER = 0.95;

/** Seconds after which nothing new is begun: it is to end within a minute, on a busy machine too. */
const ENOUGH = 45;
const isEnough = () => process.uptime() > ENOUGH;

const git = (...args) =>
  execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

/** The two revisions; `undefined` for the working tree. */
function revisions() {
  const changed = git("status", "--porcelain").trim() !== "";
  const base = process.argv[2] ?? (changed ? "HEAD" : "HEAD~1");
  git("rev-parse", "--verify", `${base}^{commit}`);
  return { base, candidate: changed ? undefined : "HEAD" };
}

/** A port that is free now. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts the broker of a checkout; gives its process and port. */
async function startBroker(checkout) {
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [join(checkout, "packages/sericite/bin/sericite.js"), "broker", "--port", String(port)],
    {
      env: { ...process.env, SERICITE_STORE_DURABILITY: "memory", SERICITE_LOG_LEVEL: "info" },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await new Promise((resolve, reject) => {
    child.stdout.on("data", (text) => {
      if (String(text).includes("listens on")) resolve();
    });
    child.once("exit", (code) => reject(new Error(`the broker ended with ${code}`)));
  });
  child.removeAllListeners("exit");
  return { child, port };
}

/** The interval in which the ratio of the candidate's figure to the base's lies, as words. */
function say(name, unit, base, candidate) {
  const logs = candidate.map((value, index) => Math.log(value / base[index]));
  const interval = rankInterval(logs, 0.99);
  const [low, middle, high] = [interval.low, interval.middle, interval.high].map(Math.exp);
  const figures = `${Math.round(median(base))} -> ${Math.round(median(candidate))} ${unit}`;
  const range = `${low.toFixed(2)} to ${high.toFixed(2)}`;
  console.log(`${name}: ${figures}, x ${middle.toFixed(3)} (${range}, ${logs.length} pairs)`);
  if (high < SLOWER) console.log(`WARNING: ${name} is slower than before; look at it`);
}

/** Both brokers under the same load in turns. */
async function underLoad(checkouts, folder) {
  const generator = join(folder, "loadgen");
  const built = spawnSync("go", ["build", "-o", generator, "."], {
    cwd: join(ROOT, "bench/loadgen"),
    encoding: "utf8",
  });
  if (built.status !== 0) {
    console.log(
      built.error === undefined
        ? `the load generator does not build: ${built.stderr}`
        : "no Go here: only the micro-benchmarks",
    );
    return;
  }
  const brokers = [];
  const perCpu = [[], []];
  const perSecond = [[], []];
  try {
    for (const checkout of checkouts) brokers.push(await startBroker(checkout));
    for (let pair = -1; pair < PAIRS; pair++) {
      if (isEnough())
        throw new Error(`the machine is too busy, ${pair} of ${PAIRS} pairs are done`);
      const order = pair % 2 === 0 ? [0, 1] : [1, 0];
      for (const side of order) {
        const { child, port } = brokers[side];
        const { stdout } = spawnSync(
          generator,
          [...SCENARIO, ...LENGTH, "--port", String(port), "--pid", String(child.pid)],
          { encoding: "utf8" },
        );
        const run = JSON.parse(stdout);
        const bad = run.failed ?? (run.lost + run.errors + run.misordered > 0 ? "losses" : "");
        if (bad !== "") throw new Error(`the ${side === 0 ? "base" : "candidate"}: ${bad}`);
        // The first pair warms both up.
        if (pair < 0) continue;
        perCpu[side].push(run.msgs_per_cpu_s);
        perSecond[side].push(run.msgs_s);
      }
    }
  } finally {
    for (const { child } of brokers) child.kill();
  }
  say("pairs QoS 1, per CPU second", "messages", ...perCpu);
  say("pairs QoS 1, per second", "messages", ...perSecond);
}

/** A few parts by `compare-micro.mjs`, with fewer and shorter rounds than it takes by itself. */
function parts(base, checkouts) {
  for (const [files, only] of [
    ["codec", "QoS 1, 1 topics"],
    ["routing", "one receiver"],
  ]) {
    if (isEnough()) {
      console.log(`${files}: left out, the machine is too busy`);
      continue;
    }
    const args = ["--files", files, "--only", only, "--rounds", "6", "--round-ms", "5"];
    spawnSync(
      process.execPath,
      [
        join(ROOT, "tools/compare-micro.mjs"),
        base,
        ...["--checkouts", checkouts.join(",")],
        ...["--max-launches", "8", ...args],
      ],
      { stdio: "inherit" },
    );
  }
}

async function main() {
  let chosen;
  try {
    chosen = revisions();
  } catch (cause) {
    // A copy without git, the first commit, or a shallow clone.
    console.log(`no commit before to compare with (${cause.message.split("\n")[0]})`);
    return;
  }
  const { base, candidate } = chosen;
  const folder = temporaryFolder("quick");
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));
  const projects = ["packages/sericite", "bench"];
  let before;
  try {
    before = buildCheckout(base, folder, "base", projects);
  } catch (cause) {
    console.log(`${base} does not build, nothing to compare with: ${cause.message}`);
    return;
  }
  const checkouts = [before, buildCheckout(candidate, folder, "candidate", projects)];
  console.log(`${candidate ?? "the working tree"} against ${base}; above 1 is faster`);
  try {
    await underLoad(checkouts, folder);
  } catch (cause) {
    console.log(`WARNING: the load could not be measured: ${cause.message}`);
  }
  console.log("\nparts, ratio of times; below 1 is faster");
  parts(base, checkouts);
}

await main();
