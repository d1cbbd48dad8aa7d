import { createHmac, randomBytes } from "node:crypto";
import type { PeerCertificate } from "node:tls";
import { isUtf8, ReasonCode } from "@sericite/protocol";
import type { Counters } from "../engine/counters.ts";
import type { Authentication, ConnectRequest, Log } from "../engine/ports.ts";
import { rightsOfLists } from "./acl-rights.ts";
import type { RightsList } from "./acl-rights.ts";
import type { ChainAnswer, ChainedAuthenticator } from "./chain.ts";
import { HttpQuestions } from "./http-questions.ts";
import { upgradeParts } from "./upgrade-parts.ts";

/** How a service is asked who may enter. */
export interface CallbackOptions {
  readonly url: string;
  /** Milliseconds. */
  readonly timeoutMs: number;
  /** Time for which an answer counts; 0: it is not remembered. Milliseconds. */
  readonly cacheTtlMs: number;
  /** What happens where the service gives no answer. */
  readonly whenDown: "refuse" | "cached";
}

/** What it counts in and writes to. */
export interface CallbackTools {
  readonly counters: Pick<
    Counters,
    "callbackQuestions" | "callbackAnswersRemembered" | "callbackFailures"
  >;
  readonly log: Log;
}

/** Answers remembered. */
const ANSWERS = 10_000;
/** Time between two log lines about failures. Milliseconds. */
const LOG_PAUSE = 1000;

/** What the service said, checked. */
interface Verdict {
  readonly allow: boolean | "next";
  readonly clientId?: string | undefined;
  readonly username?: string | undefined;
  readonly acl?: RightsList | undefined;
  /** Seconds from the answer. */
  readonly expiresIn?: number | undefined;
  readonly reasonCode?: number | undefined;
  readonly reason?: string | undefined;
}

interface Remembered {
  readonly verdict: Verdict;
  /** Milliseconds of `performance.now()`. */
  readonly at: number;
}

const down: Authentication = {
  accepted: false,
  reasonCode: ReasonCode.serverUnavailable,
  reason: "nobody can say at present who may enter",
};

/**
 * Asks a web service who may enter: POST of what is known of the client, answered by
 * `{"allow": true}`, `{"allow": false}` or `{"allow": "next"}`. Answers are remembered by a digest
 * of the question, credentials included; the same question is asked once at a time.
 */
export class CallbackAuthenticator implements ChainedAuthenticator {
  readonly #options: CallbackOptions;
  readonly #tools: CallbackTools;
  readonly #questions: HttpQuestions;
  readonly #key = randomBytes(32);
  readonly #answers = new Map<string, Remembered>();
  readonly #open = new Map<string, Promise<Remembered | undefined>>();
  #loggedAt = -Infinity;
  #unlogged = 0;

  constructor(options: CallbackOptions, tools: CallbackTools) {
    this.#options = options;
    this.#tools = tools;
    this.#questions = new HttpQuestions(options);
  }

  /** Ends its connections. */
  close(): void {
    this.#questions.close();
  }

  authenticate(request: ConnectRequest): ChainAnswer | Promise<ChainAnswer> {
    const question = questionOf(request);
    // The port is another each time, and tells nothing.
    const body = JSON.stringify({ ...question, port: undefined });
    const digest = createHmac("sha256", this.#key).update(body).digest("base64");
    const known = this.#answers.get(digest);
    if (known !== undefined && performance.now() - known.at < this.#options.cacheTtlMs) {
      this.#tools.counters.callbackAnswersRemembered++;
      return answerOf(known, request);
    }
    let answer = this.#open.get(digest);
    if (answer === undefined) {
      answer = this.#ask(question, digest).finally(() => this.#open.delete(digest));
      this.#open.set(digest, answer);
    }
    return answer.then((given) => (given === undefined ? down : answerOf(given, request)));
  }

  async #ask(question: Question, digest: string): Promise<Remembered | undefined> {
    this.#tools.counters.callbackQuestions++;
    try {
      const verdict = verdictIn(await this.#questions.ask(question));
      const answer = { verdict, at: performance.now() };
      this.#remember(digest, answer);
      return answer;
    } catch (error) {
      const last = this.#options.whenDown === "cached" ? this.#answers.get(digest) : undefined;
      this.#tellFailure(question, last !== undefined, error);
      return last;
    }
  }

  #remember(digest: string, answer: Remembered): void {
    if (this.#options.cacheTtlMs === 0) return;
    this.#answers.delete(digest);
    this.#answers.set(digest, answer);
    if (this.#answers.size <= ANSWERS) return;
    for (const oldest of this.#answers.keys()) {
      this.#answers.delete(oldest);
      return;
    }
  }

  #tellFailure({ clientId, username, address }: Question, isRemembered: boolean, error: unknown) {
    const { counters, log } = this.#tools;
    counters.callbackFailures++;
    const now = performance.now();
    if (now - this.#loggedAt < LOG_PAUSE) {
      this.#unlogged++;
      return;
    }
    log.write("warn", "authentication-callback-failed", {
      clientId,
      username,
      address,
      answer: isRemembered ? "the last one" : "none",
      error: error instanceof Error ? error.message : String(error),
      notLogged: this.#unlogged,
    });
    this.#loggedAt = now;
    this.#unlogged = 0;
  }
}

/** What is sent; what is not there is left out. */
type Question = ReturnType<typeof questionOf>;

function questionOf(request: ConnectRequest) {
  const { clientId, username, password, protocolVersion, cleanStart, peer } = request;
  const { path, headers, cookies, query } = upgradeParts(peer) ?? {};
  return {
    clientId,
    username,
    ...passwordOf(password),
    protocolVersion,
    cleanStart,
    address: peer.address,
    port: peer.port,
    listener: peer.listener,
    transport: peer.transport,
    certificate: certificateOf(peer.certificate as PeerCertificate | undefined),
    path,
    headers,
    cookies,
    query,
  };
}

/** As text where it is one; JSON has no bytes. */
function passwordOf(password: Uint8Array | undefined): {
  readonly password?: string;
  readonly passwordBase64?: string;
} {
  if (password === undefined) return {};
  const bytes = Buffer.from(password);
  if (isUtf8(bytes, 0, bytes.length)) return { password: bytes.toString() };
  return { passwordBase64: bytes.toString("base64") };
}

function certificateOf(certificate: PeerCertificate | undefined): object | undefined {
  if (certificate === undefined) return undefined;
  const { subject, issuer, subjectaltname, serialNumber, fingerprint256, valid_to } = certificate;
  return {
    subject,
    issuer,
    subjectAlternativeName: subjectaltname,
    serialNumber,
    fingerprint256,
    validTo: valid_to,
  };
}

function answerOf({ verdict, at }: Remembered, request: ConnectRequest): ChainAnswer {
  if (verdict.allow === "next") return "next";
  if (!verdict.allow) {
    const { reasonCode, reason = "not let in by the web service" } = verdict;
    return { accepted: false, reasonCode, reason };
  }
  const clientId = verdict.clientId ?? request.clientId;
  const username = verdict.username ?? request.username;
  const { acl, expiresIn } = verdict;
  return {
    accepted: true,
    clientId: verdict.clientId,
    username,
    rights: acl === undefined ? undefined : rightsOfLists(acl, { clientId, username }),
    expiresInMs: expiresIn === undefined ? undefined : at + expiresIn * 1000 - performance.now(),
  };
}

/** @throws Error that says what of the answer is wrong: a service that is not understood gave no answer. */
function verdictIn(answer: unknown): Verdict {
  if (typeof answer !== "object" || answer === null) throw new Error("the answer is no object");
  const given = answer as Record<string, unknown>;
  const { allow, clientId, username, acl, expiresIn, reasonCode, reason } = given;
  if (typeof allow !== "boolean" && allow !== "next")
    throw new Error('the answer has no "allow" that is true, false or "next"');
  for (const [name, value] of Object.entries({ clientId, username, reason })) {
    if (value !== undefined && typeof value !== "string")
      throw new Error(`the answer's "${name}" is no text`);
  }
  for (const [name, value, least, most] of [
    ["expiresIn", expiresIn, 0, Number.MAX_SAFE_INTEGER],
    ["reasonCode", reasonCode, 0x80, 0xff],
  ] as const) {
    if (value === undefined) continue;
    if (typeof value !== "number" || !(value >= least && value <= most))
      throw new Error(`the answer's "${name}" is no number that fits`);
  }
  if (acl !== undefined) {
    if (typeof acl !== "object" || acl === null)
      throw new Error('the answer\'s "acl" is no object');
    for (const [name, list] of Object.entries(acl)) {
      const isKnown = ["publish", "subscribe", "deny"].includes(name);
      if (!isKnown || !Array.isArray(list) || !list.every((one) => typeof one === "string"))
        throw new Error('the answer\'s "acl" is not {publish, subscribe, deny}, lists of texts');
    }
    // A text that is no Topic Filter is found now, not when a client is let in.
    rightsOfLists(acl, { clientId: "", username: undefined });
  }
  return given as unknown as Verdict;
}
