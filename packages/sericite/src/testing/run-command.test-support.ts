import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../bin/sericite.js", import.meta.url));

/** Longest that a command of a test may run, such as a broker that all tests of a file share. Milliseconds. */
const limitMs = 60_000;

/** How a command ended. */
export interface Ended {
  /** Exit code, or the name of the signal that killed it. */
  readonly code: number | string;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** What a command is started with besides its arguments. */
export interface RunOptions {
  /** Besides that of this process without its SERICITE_*; a broker keeps nothing, where no flag says otherwise. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; none: it is at its end from the start. */
  readonly input?: string | Uint8Array;
  /** Leaves standard input open. */
  readonly keepsInput?: boolean;
}

/** The built command, running. */
export class RunningCommand {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  #changed: () => void = () => {};

  constructor(
    command: string,
    args: readonly string[],
    { env = {}, input, keepsInput = false }: RunOptions,
  ) {
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^SERICITE_|COLOR|^CI$/.test(name),
    );
    const child = spawn(command, args, {
      env: { ...Object.fromEntries(inherited), SERICITE_STORE_DURABILITY: "memory", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.process = child;
    const kill = (): void => void child.kill("SIGKILL");
    const timer = setTimeout(kill, limitMs).unref();
    process.once("exit", kill);
    child.stdin.on("error", () => child.stdin.destroy());
    if (!keepsInput) child.stdin.end(input ?? "");
    child.stdout.on("data", (chunk: Buffer) => this.#take(this.#stdout, chunk));
    child.stderr.on("data", (chunk: Buffer) => this.#take(this.#stderr, chunk));
    this.ended = once(child, "close").then(([code, signal]) => {
      clearTimeout(timer);
      process.removeListener("exit", kill);
      this.#changed();
      return {
        code: (code ?? signal) as number | string,
        stdout: this.stdout,
        stderr: this.stderr,
      };
    });
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  /** Settles when both outputs together match. Rejects when the command ends before. */
  async output(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const text = `${this.stdout.toString()}${this.stderr}`;
      const found = pattern.exec(text);
      if (found) return found;
      if (this.process.exitCode !== null || this.process.signalCode !== null) {
        throw new Error(
          `ended with ${this.process.exitCode ?? this.process.signalCode} without ${String(pattern)}:\n${text}`,
        );
      }
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    this.process.kill(signal);
    return this.ended;
  }

  #take(chunks: Buffer[], chunk: Buffer): void {
    chunks.push(chunk);
    this.#changed();
  }
}

/** Starts `sericite` as it was built. */
export function startCommand(args: readonly string[], options: RunOptions = {}): RunningCommand {
  return new RunningCommand(process.execPath, [program, ...args], options);
}

/** Runs `sericite` to its end. */
export function runCommand(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return startCommand(args, options).ended;
}

/** A broker on a free port. */
export interface RunningBroker {
  readonly command: RunningCommand;
  readonly port: number;
}

/** Starts `sericite broker` on a free port and waits until it listens. */
export async function startBroker(
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunningBroker> {
  const command = startCommand(["broker", "--port", "0", ...args], options);
  const [, port] = await command.output(/mqtt:\/\/[^\s"]*:(\d+)/);
  return { command, port: Number(port) };
}
