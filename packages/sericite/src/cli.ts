import { ReloadSignal } from "./broker/reload-signal.ts";
import { usageError } from "./errors.ts";
import { ExitCode, exitCodeOfError } from "./exit-code.ts";
import { wrap } from "./options/help.ts";
import { nearestName } from "./options/nearest-name.ts";
import { printText } from "./standard-output.ts";
import { version } from "./version.ts";

/** One command of `sericite`. Its code is loaded only when it is called. */
export interface Command {
  readonly name: string;
  readonly text: string;
  readonly load: () => Promise<{ run(argv: readonly string[]): Promise<number> }>;
}

/** All commands, in the order of help. */
export const commands: readonly Command[] = [
  { name: "broker", text: "Run an MQTT broker.", load: loadBroker },
  {
    name: "pub",
    text: "Publish messages, with the options of mosquitto_pub.",
    load: () => import("./client/publish-command.ts"),
  },
  {
    name: "sub",
    text: "Subscribe and print messages, with the options of mosquitto_sub.",
    load: () => import("./client/subscribe-command.ts"),
  },
  {
    name: "passwd",
    text: "Keep the users of a password file.",
    load: () => import("./passwd/passwd-command.ts"),
  },
  {
    name: "config",
    text: "Make a config file of a mosquitto.conf.",
    load: () => import("./config/config-command.ts"),
  },
  {
    name: "store",
    text: "Check, show, copy or compact the store of a broker that does not run.",
    load: () => import("./store/store-command.ts"),
  },
];

/** Before all that takes time: whoever starts a broker may send it SIGHUP at once. */
async function loadBroker(): ReturnType<Command["load"]> {
  const signal = new ReloadSignal();
  const { run } = await import("./broker/broker-command.ts");
  return { run: (argv) => run(argv, signal) };
}

/**
 * Run one command line. Errors are written to standard error, as text.
 *
 * @param argv  Without the program's name.
 * @returns exit code.
 */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(
      `${message
        .split("\n")
        .map((text) => `sericite: ${text}`)
        .join("\n")}\n`,
    );
    if (!isExpected(error)) process.stderr.write(`${(error as Error).stack ?? ""}\n`);
    return exitCodeOfError(error);
  }
}

async function dispatch([name, ...rest]: readonly string[]): Promise<number> {
  switch (name) {
    case undefined:
      process.stderr.write(overview());
      return ExitCode.usage;
    case "--version":
    case "version":
      printText(`sericite ${version}\n`);
      return ExitCode.ok;
    case "--help":
    case "-h":
    case "help":
      if (rest[0] !== undefined) return dispatch([...rest, "--help"]);
      printText(overview());
      return ExitCode.ok;
  }
  const command = commands.find((one) => one.name === name);
  if (command) return (await command.load()).run(rest);
  const nearest = nearestName(name, [...commands.map((one) => one.name), "help", "version"]);
  const hint =
    nearest === undefined ? "`sericite help` lists the commands" : `did you mean ${nearest}?`;
  throw usageError("ERR_COMMAND_UNKNOWN", `there is no command ${name}; ${hint}`);
}

/** A failure that was foreseen says enough by its message; any other shows where it happened. */
function isExpected(error: unknown): boolean {
  return error instanceof Error && typeof (error as { code?: unknown }).code === "string";
}

/** Help of the command as a whole. */
export function overview(): string {
  const rows = [
    ...commands,
    { name: "help", text: "Print this, or with a command's name its options." },
    { name: "version", text: "Print the version." },
  ];
  const lines = rows.map((row) => `  ${row.name.padEnd(10)}${row.text}`);
  const intro = wrap("MQTT broker and clients (3.1, 3.1.1 and 5.0) in one command.", 100);
  return [
    `Usage: sericite COMMAND [options]`,
    "",
    ...intro,
    "",
    "Commands:",
    ...lines,
    "",
    "`sericite COMMAND --help` tells the options of a command.",
    "",
  ].join("\n");
}
