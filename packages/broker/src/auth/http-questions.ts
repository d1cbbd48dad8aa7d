import { Agent as HttpAgent, request as requestHttp } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { ConnectionError } from "@sericite/protocol";

/** Questions under way at once; the others wait for their turn, within their own time. */
const SOCKETS = 32;
/** Longest answer. Bytes. */
const ANSWER = 64 * 1024;
/** Failures in a row after which the service counts as down. */
const DOWN_AFTER = 5;
/** Time between two attempts at a service that is down. Milliseconds. */
const RETRY_AFTER = 1000;

/** Where questions go, and how long each may take. */
export interface HttpQuestionsOptions {
  /** `http:` or `https:`; a user and password in it go along as Basic authentication. */
  readonly url: string;
  /** From the question to the end of its answer. Milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Puts questions to a web service: each a POST of JSON, answered by status 200 and JSON. While the
 * service is down, one question a second is tried, and the others fail at once.
 */
export class HttpQuestions {
  readonly #url: URL;
  readonly #timeoutMs: number;
  readonly #agent: HttpAgent;
  readonly #request: typeof requestHttp;
  /** In a row. */
  #failures = 0;
  #triedAt = 0;
  #underWay = 0;
  #isClosing = false;

  /** @throws TypeError where the URL is none. */
  constructor({ url, timeoutMs }: HttpQuestionsOptions) {
    this.#url = new URL(url);
    this.#timeoutMs = timeoutMs;
    const isSecure = this.#url.protocol === "https:";
    this.#request = isSecure ? requestHttps : requestHttp;
    const options = { keepAlive: true, maxSockets: SOCKETS };
    this.#agent = isSecure ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** Whether the last questions all failed. */
  get isDown(): boolean {
    return this.#failures >= DOWN_AFTER;
  }

  /**
   * Asks.
   *
   * @returns what the answer's JSON holds.
   * @throws ConnectionError ERR_CALLBACK where there is no such answer in time.
   */
  async ask(question: object): Promise<unknown> {
    if (this.isDown) {
      const now = performance.now();
      if (now - this.#triedAt < RETRY_AFTER) throw failure("the service is down");
      this.#triedAt = now;
    }
    this.#underWay++;
    try {
      const answer = await this.#post(JSON.stringify(question));
      this.#failures = 0;
      return answer;
    } catch (error) {
      this.#failures++;
      if (this.#failures === DOWN_AFTER) this.#triedAt = performance.now();
      throw error;
    } finally {
      this.#underWay--;
      if (this.#isClosing) this.close();
    }
  }

  /** Ends its connections, once what is under way is answered. */
  close(): void {
    this.#isClosing = true;
    if (this.#underWay === 0) this.#agent.destroy();
  }

  #post(body: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const sent: ClientRequest = this.#request(this.#url, {
        method: "POST",
        agent: this.#agent,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      });
      const fail = (message: string, cause?: unknown): void => {
        clearTimeout(timer);
        reject(failure(message, cause));
        sent.destroy();
      };
      const timer = setTimeout(
        () => fail(`no answer within ${this.#timeoutMs} ms`),
        this.#timeoutMs,
      );
      sent.on("error", (error) => fail(error.message, error));
      sent.on("response", (response) =>
        collect(
          response,
          (text) => {
            clearTimeout(timer);
            try {
              resolve(JSON.parse(text));
            } catch (error) {
              fail("the answer is not JSON", error);
            }
          },
          fail,
        ),
      );
      sent.end(body);
    });
  }
}

function collect(
  response: IncomingMessage,
  done: (text: string) => void,
  fail: (message: string, cause?: unknown) => void,
): void {
  if (response.statusCode !== 200) {
    response.resume();
    return fail(`answered with status ${response.statusCode}, expected 200`);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  response.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > ANSWER) fail(`the answer is longer than ${ANSWER} bytes`);
    else chunks.push(chunk);
  });
  response.on("error", (error) => fail(error.message, error));
  response.on("end", () => done(Buffer.concat(chunks).toString()));
}

function failure(message: string, cause?: unknown): ConnectionError {
  return new ConnectionError("ERR_CALLBACK", message, { cause });
}
