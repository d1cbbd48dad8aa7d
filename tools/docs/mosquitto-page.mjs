import {
  bridgeKeywords,
  mosquittoMapping,
} from "../../packages/sericite/dist/config/mosquitto-mapping.js";
import { code, generated, table } from "./markdown.mjs";

/** `docs/MOSQUITTO.md`. */
export function mosquittoPage() {
  const rows = Object.entries(mosquittoMapping).map(([keyword, { text }]) => [code(keyword), text]);
  rows.push(["`connection`, `bridge_…`, `remote_…`", bridgeKeywords.text]);
  return `${[head, table(["mosquitto.conf", "here"], rows)].join("\n\n")}\n`;
}

const head = `# From mosquitto

${generated}

After this page your broker runs with the configuration that your mosquitto has.

\`\`\`sh
sericite config import-mosquitto /etc/mosquitto/mosquitto.conf > sericite.yaml
sericite broker --config sericite.yaml --check-config
sericite broker --config sericite.yaml
\`\`\`

What has no counterpart is told on standard error, and stands at the head of the file.

- Password files work as they are (\`$7$\` and \`$6$\`), most ACL files too: see [Authentication](AUTHENTICATION.md) and [Access](ACCESS.md).
- Sessions and retained messages are not taken over.
- A broker that other machines can reach does not start until it is said who may enter. mosquitto starts, and refuses everybody.
- \`listener\`, \`port\`, \`bind_address\` and \`protocol\` become entries of the list [\`listeners\`](CONFIGURATION.md#listeners).

## Settings`;
