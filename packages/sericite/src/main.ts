import { runCommandLine } from "./cli.ts";

const code = await runCommandLine(process.argv.slice(2));
process.exitCode = code;
