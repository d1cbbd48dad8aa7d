/** First line of a generated page. */
export const generated =
  "<!-- Made by `npm run docs` from the tables of the code. Do not edit. -->";

/** A Markdown table. Cells are Markdown. */
export function table(heads, rows) {
  const line = (cells) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)].join("\n");
}

function cell(text) {
  return String(text).replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** A plain text as Markdown: what Markdown would take for markup is escaped. */
export function plain(text) {
  return text.replaceAll(/[<>*_[\]]/g, "\\$&");
}

/** Text as code. */
export function code(text) {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}
