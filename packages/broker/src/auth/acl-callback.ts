import type { Counters } from "../engine/counters.ts";
import type { ClientIdentity, Hooks } from "../engine/hooks.ts";
import type { Log } from "../engine/ports.ts";
import { withoutShare } from "./acl.ts";
import { HttpQuestions } from "./http-questions.ts";

/** Answers remembered. */
const ANSWERS = 50_000;
/** Time between two log lines about failures. Milliseconds. */
const LOG_EVERY = 1000;

/** How a service is asked about access. */
export interface AclCallbackOptions {
  readonly url: string;
  /** Milliseconds. */
  readonly timeoutMs: number;
  /** Time for which an answer counts; 0: it is not remembered. Milliseconds. */
  readonly cacheTtlMs: number;
  /** What counts where the service gives no answer: no, or its last one, and no where there is none. */
  readonly whenDown: "deny" | "cached";
  /** Whether it is asked about deliveries. */
  readonly asksDelivery: boolean;
}

/** What it counts in, writes to, and tells the time by. */
export interface AclCallbackTools {
  readonly counters: Pick<
    Counters,
    "accessQuestions" | "accessAnswersRemembered" | "accessFailures"
  >;
  readonly log: Log;
  /** Milliseconds that rise. */
  readonly now: () => number;
}

/** What is asked; sent as JSON. */
interface Question {
  readonly clientId: string;
  readonly username: string | null;
  readonly action: "publish" | "subscribe" | "receive";
  /** Topic Name, or of a subscription the Topic Filter without its share. */
  readonly topic: string;
  /** Of what is published or asked for; absent for deliveries. */
  readonly qos?: number;
  readonly retain?: boolean;
}

interface Remembered {
  readonly allowed: boolean;
  readonly at: number;
}

/**
 * Access by a web service: POST of `{clientId, username, action, topic, qos, retain}`, answered by
 * `{"allow": true}` or `{"allow": false}`. Answers are remembered; where one is, its `hooks` answer
 * at once.
 */
export class AclCallback {
  readonly #options: AclCallbackOptions;
  readonly #tools: AclCallbackTools;
  readonly #questions: HttpQuestions;
  readonly #answers = new Map<string, Remembered>();
  #generation = 0;
  #loggedAt = -Infinity;
  #unlogged = 0;
  /** To be asked by a broker. */
  readonly hooks: Hooks;

  constructor(options: AclCallbackOptions, tools: AclCallbackTools) {
    this.#options = options;
    this.#tools = tools;
    this.#questions = new HttpQuestions(options);
    this.hooks = {
      authorizePublish: (client, { topicName: topic, qos, retain }) =>
        this.#ask(client, "publish", topic, { qos, retain }),
      authorizeSubscribe: (client, { topicFilter, qos }) =>
        this.#ask(client, "subscribe", withoutShare(topicFilter), { qos }),
      authorizeDelivery: options.asksDelivery
        ? (client, { topicName: topic }) => this.#ask(client, "receive", topic)
        : undefined,
    };
  }

  /** Whether it was made with the same options. */
  isAskedBy(options: AclCallbackOptions): boolean {
    return JSON.stringify(options) === JSON.stringify(this.#options);
  }

  /** Forgets all answers: what is asked from now on is asked anew. */
  forget(): void {
    this.#generation++;
    this.#answers.clear();
  }

  /** Ends its connections, once what is under way is answered. */
  close(): void {
    this.#questions.close();
  }

  #ask(
    { clientId, username }: ClientIdentity,
    action: Question["action"],
    topic: string,
    more?: { readonly qos: number; readonly retain?: boolean },
  ): boolean | Promise<boolean> {
    // No text of MQTT holds U+0000.
    const name = username === undefined ? "-" : `+${username}`;
    const key = `${action}\0${more?.qos}${more?.retain}\0${topic}\0${clientId}\0${name}`;
    const known = this.#answers.get(key);
    if (known !== undefined && this.#tools.now() - known.at < this.#options.cacheTtlMs) {
      this.#tools.counters.accessAnswersRemembered++;
      return known.allowed;
    }
    return this.#put(key, { clientId, username: username ?? null, action, topic, ...more });
  }

  async #put(key: string, question: Question): Promise<boolean> {
    const generation = this.#generation;
    this.#tools.counters.accessQuestions++;
    try {
      const allowed = allowedIn(await this.#questions.ask(question));
      if (generation === this.#generation) this.#remember(key, allowed);
      return allowed;
    } catch (error) {
      return this.#failed(key, question, error);
    }
  }

  #remember(key: string, allowed: boolean): void {
    if (this.#options.cacheTtlMs === 0) return;
    this.#answers.delete(key);
    if (this.#answers.size >= ANSWERS) {
      for (const oldest of this.#answers.keys()) {
        this.#answers.delete(oldest);
        break;
      }
    }
    this.#answers.set(key, { allowed, at: this.#tools.now() });
  }

  /** @returns what counts in place of an answer. */
  #failed(key: string, question: Question, error: unknown): boolean {
    const { counters, log, now } = this.#tools;
    counters.accessFailures++;
    const { whenDown } = this.#options;
    const allowed = whenDown === "cached" && this.#answers.get(key)?.allowed === true;
    if (now() - this.#loggedAt < LOG_EVERY) this.#unlogged++;
    else {
      log.write("warn", "access-callback-failed", {
        ...question,
        allowed,
        error: error instanceof Error ? error.message : String(error),
        notLogged: this.#unlogged,
      });
      this.#loggedAt = now();
      this.#unlogged = 0;
    }
    return allowed;
  }
}

function allowedIn(answer: unknown): boolean {
  const allow = (answer as { readonly allow?: unknown } | null)?.allow;
  if (typeof allow !== "boolean")
    throw new Error('the answer has no "allow" that is true or false');
  return allow;
}
