import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "@sericite/protocol";
import { parseOptions } from "./option.ts";
import type { OptionRow } from "./option.ts";

const rows: readonly OptionRow[] = [
  { name: "message", short: "m", value: "TEXT", text: "" },
  { name: "topic", short: "t", value: "TOPIC", multiple: true, text: "" },
  { name: "retain", short: "r", text: "" },
  { name: "quiet", text: "" },
  { name: "flag", value: "true|false", optionalValues: ["true", "false"], text: "" },
  {
    name: "property",
    short: "D",
    value: "PACKET PROPERTY VALUE",
    words: (_, second) => (second === "pair" ? 4 : 3),
    text: "",
  },
  { name: "tls", value: "PORT", later: "TLS", text: "" },
];

for (const [argv, expected] of [
  [
    ["-m", "-5", "-t", "a"],
    ["message -5", "topic a"],
  ],
  [
    ["-m", "", "-r"],
    ["message ", "retain"],
  ],
  [
    ["--message=x=y", "-tb"],
    ["message x=y", "topic b"],
  ],
  [
    ["-t", "a", "-t", "b"],
    ["topic a", "topic b"],
  ],
  [
    ["-rm", "x"],
    ["retain", "message x"],
  ],
  [
    ["--flag", "--quiet"],
    ["flag", "quiet"],
  ],
  [["--flag", "false"], ["flag false"]],
  [["--flag=true"], ["flag true"]],
  [
    ["-D", "publish", "text", "-m", "-m", "y"],
    ["property publish text -m", "message y"],
  ],
  [
    ["-D", "publish", "pair", "-t", "-r", "-r"],
    ["property publish pair -t -r", "retain"],
  ],
  [
    ["--property=publish", "text", "v", "-r"],
    ["property publish text v", "retain"],
  ],
] as const) {
  test(`${JSON.stringify(argv)} are the options ${expected.join(", ")}`, () => {
    const line = parseOptions(rows, argv, "pub");
    assert.deepEqual(
      line.options.map(({ row, words }) => [row.name, ...words].join(" ")),
      expected,
    );
    assert.deepEqual(line.positionals, []);
  });
}

test("words that belong to no option are kept apart, in order", () => {
  const line = parseOptions(rows, ["a", "-m", "x", "b", "--", "-r"], "pub");
  assert.deepEqual(line.positionals, ["a", "b", "-r"]);
});

for (const [argv, code, message] of [
  [["--mesage", "x"], "ERR_OPTION_UNKNOWN", /no option --mesage; did you mean --message\?/],
  [["-z"], "ERR_OPTION_UNKNOWN", /no option -z; `sericite pub --help`/],
  [["-topic", "a"], "ERR_OPTION_UNKNOWN", /two dashes: --topic/],
  [["-m"], "ERR_OPTION_VALUE", /-m needs a value: -m TEXT/],
  [["--retain=yes"], "ERR_OPTION_VALUE", /--retain takes no value/],
  [["-D", "publish", "text"], "ERR_OPTION_VALUE", /-D needs more words: -D PACKET PROPERTY VALUE/],
  [["--tls", "8883"], "ERR_OPTION_LATER", /--tls: this version does not have TLS yet/],
] as const) {
  test(`${JSON.stringify(argv)} is refused`, () => {
    assert.throws(
      () => parseOptions(rows, argv, "pub"),
      (error) => error instanceof UsageError && error.code === code && message.test(error.message),
    );
  });
}
