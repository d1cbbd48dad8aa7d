import { createInterface } from "node:readline/promises";
import type { ReadStream } from "node:tty";
import { usageError } from "../errors.ts";

/** Where passwords come from: the terminal, or a program that writes lines. */
export type SecretSource = NodeJS.ReadableStream &
  Partial<Pick<ReadStream, "isTTY" | "setRawMode">>;

/** Gives passwords one by one. */
export interface SecretReader {
  /** Whether a person types them. */
  readonly isTerminal: boolean;
  /** @throws UsageError ERR_INPUT where the input ends before. */
  read(prompt: string): Promise<string>;
  close(): void;
}

/** Reads passwords: from a terminal with a prompt and without an echo, from elsewhere line by line. */
export function secretReader(source: SecretSource, show: (text: string) => void): SecretReader {
  const { isTTY, setRawMode } = source;
  if (isTTY === true && setRawMode !== undefined) {
    return {
      isTerminal: true,
      read: (prompt) => readUnseen(source, (on) => setRawMode.call(source, on), prompt, show),
      close: () => source.pause(),
    };
  }
  const lines = createInterface({ input: source });
  const iterator = lines[Symbol.asyncIterator]();
  return {
    isTerminal: false,
    read: async () => {
      const line = await iterator.next();
      if (line.done === true) throw usageError("ERR_INPUT", "standard input holds no password");
      return line.value;
    },
    close: () => lines.close(),
  };
}

const BACKSPACE = /[\b\u007f]/;

/** Reads keys until Enter. Ctrl-C ends the process as it would without us. */
async function readUnseen(
  source: SecretSource,
  setRaw: (on: boolean) => void,
  prompt: string,
  show: (text: string) => void,
): Promise<string> {
  show(prompt);
  setRaw(true);
  source.setEncoding("utf8");
  source.resume();
  try {
    return await new Promise<string>((resolve, reject) => {
      let typed = "";
      const settle = (act: () => void): void => {
        source.removeListener("data", take);
        source.removeListener("end", ended);
        act();
      };
      const ended = (): void =>
        settle(() => reject(usageError("ERR_INPUT", "no password was given")));
      const take = (keys: string | Buffer): void => {
        for (const key of keys.toString()) {
          if (key === "\r" || key === "\n") return settle(() => resolve(typed));
          if (key === "\u0003" || key === "\u0004") return ended();
          if (BACKSPACE.test(key)) typed = [...typed].slice(0, -1).join("");
          else typed += key;
        }
      };
      source.on("data", take);
      source.on("end", ended);
    });
  } finally {
    setRaw(false);
    source.pause();
    show("\n");
  }
}
