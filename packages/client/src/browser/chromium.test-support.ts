import { existsSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import type { Browser, BrowserContext, Page } from "playwright-core";

const program = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => existsSync(path),
);

/** Why tests in a browser are skipped, or false. */
export const withoutChromium: string | false =
  program === undefined ? "Chromium is not installed" : false;

/** A headless Chromium, a web server with the bundled client, and a broker with WebSockets. */
export class World {
  readonly broker: Broker;
  /** Where the broker's WebSockets are. */
  readonly url: string;
  readonly #browser: Browser;
  readonly #web: Server;

  private constructor(broker: Broker, url: string, browser: Browser, web: Server) {
    this.broker = broker;
    this.url = url;
    this.#browser = browser;
    this.#web = web;
  }

  static async start(): Promise<World> {
    const script = await bundle();
    const web = createServer((request, response) => {
      const isScript = request.url === "/client.js";
      response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
      if (request.url === "/strict")
        response.setHeader("content-security-policy", "worker-src 'none'");
      response.end(isScript ? script : '<script type="module" src="/client.js"></script>');
    });
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    const broker = await createBroker();
    const { port } = await broker.listen({ transport: "websocket", port: 0 });
    const browser = await chromium.launch({ executablePath: program!, args: ["--no-sandbox"] });
    return new World(broker, `ws://127.0.0.1:${port}/mqtt`, browser, web);
  }

  /**
   * A page that has the client as `sericite`.
   *
   * @param path  `/strict`: it may have no Workers.
   * @param options  A script that runs in it before all others.
   */
  async page(
    path: "/" | "/strict" = "/",
    options: { readonly script?: string } = {},
  ): Promise<{ page: Page; context: BrowserContext }> {
    const context = await this.#browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    if (options.script !== undefined) await page.addInitScript(options.script);
    await page.goto(`http://127.0.0.1:${(this.#web.address() as AddressInfo).port}${path}`);
    await page.waitForFunction("globalThis.sericite !== undefined");
    return { page, context };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    await this.broker.close();
    this.#web.close();
  }
}

/** The client as a page gets it: found by its name, for browsers. */
async function bundle(): Promise<Uint8Array> {
  const built = await build({
    stdin: {
      contents: `import * as sericite from "@sericite/client";
        import * as sericiteCompression from "@sericite/client/compression";
        Object.assign(globalThis, { sericite, sericiteCompression });`,
      resolveDir: fileURLToPath(new URL("../..", import.meta.url)),
    },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
  });
  return built.outputFiles[0]!.contents;
}
