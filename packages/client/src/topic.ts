import { UsageError, topicFilterMatches, topicNameFault } from "@sericite/protocol";
import type { PayloadCodec } from "./codec.ts";
import { jsonCodec } from "./codec.ts";
import { RequestError } from "./errors.ts";
import type { Message, Payload } from "./message.ts";
import type { SchemaResult, StandardSchema } from "./standard-schema.ts";
import { issuesText } from "./standard-schema.ts";

/** Names of the parameters of a pattern: of `a/:b/:c`, `"b" | "c"`. */
export type TopicParameterNames<Pattern extends string> =
  Pattern extends `${infer Level}/${infer Rest}`
    ? LevelParameter<Level> | TopicParameterNames<Rest>
    : LevelParameter<Pattern>;

type LevelParameter<Level extends string> = Level extends `:${infer Name}` ? Name : never;

/** Parameters as a publisher gives them. */
export type TopicParameters<Pattern extends string> = Readonly<
  Record<TopicParameterNames<Pattern>, string | number>
>;

/** Parameters as they are read from a Topic Name. */
export type ReadTopicParameters<Pattern extends string> = Readonly<
  Record<TopicParameterNames<Pattern>, string>
>;

/** A message of a typed topic, as its handler gets it. */
export interface TypedMessage<Pattern extends string, Value> {
  readonly params: ReadTopicParameters<Pattern>;
  readonly value: Value;
  /** The message as it came. */
  readonly message: Message;
}

/** Handles the messages of a typed topic: as a `MessageHandler` does. */
export type TypedHandler<Pattern extends string, Value> = (
  message: TypedMessage<Pattern, Value>,
) => unknown;

/** What `topic` takes beside pattern and schema. */
export interface TopicOptions {
  /** Default: JSON. */
  readonly codec?: PayloadCodec | undefined;
}

/**
 * A topic whose Topic Names and payloads are checked, by the compiler and when it runs. Made by
 * `topic`.
 */
export class Topic<Pattern extends string, Input, Output> {
  readonly pattern: Pattern;
  /** What to subscribe to: `+` in the place of each parameter. */
  readonly topicFilter: string;
  readonly codec: PayloadCodec;
  readonly #schema: StandardSchema<Input, Output>;
  readonly #levels: readonly string[];

  /** Made by `topic`. @throws UsageError where the pattern is none. */
  constructor(pattern: Pattern, schema: StandardSchema<Input, Output>, codec: PayloadCodec) {
    this.pattern = pattern;
    this.codec = codec;
    this.#schema = schema;
    this.#levels = pattern.split("/");
    if (
      typeof (schema as Partial<typeof schema> | undefined)?.["~standard"]?.validate !== "function"
    )
      throw new UsageError("ERR_USAGE", "the topic has no schema (of a Standard Schema library)");
    const names = this.#levels.filter(isParameter);
    const fault = topicNameFault(pattern);
    if (fault !== undefined) throw new UsageError("ERR_TOPIC_NAME", `the pattern ${fault}`);
    if (names.includes(":") || new Set(names).size < names.length)
      throw new UsageError("ERR_TOPIC_NAME", "a parameter has no name, or the name of another");
    this.topicFilter = this.#levels.map((level) => (isParameter(level) ? "+" : level)).join("/");
  }

  /**
   * The Topic Name for these parameters.
   *
   * @throws UsageError ERR_TOPIC_NAME where one is missing, empty, or would be more than one level.
   */
  topicName(params: TopicParameters<Pattern>): string {
    const given: Readonly<Record<string, string | number>> = params;
    const levels = this.#levels.map((level) => {
      if (!isParameter(level)) return level;
      const value = String(given[level.slice(1)] ?? "");
      if (value === "" || /[/+#]/.test(value)) {
        throw new UsageError(
          "ERR_TOPIC_NAME",
          value === ""
            ? `parameter ${level.slice(1)} is missing or empty`
            : `parameter ${level.slice(1)} is ${JSON.stringify(value)}, expected one level without / + #`,
        );
      }
      return value;
    });
    return levels.join("/");
  }

  /** The parameters in a Topic Name, or `undefined` where it is none of this topic. */
  params(topicName: string): ReadTopicParameters<Pattern> | undefined {
    if (!topicFilterMatches(this.topicFilter, topicName)) return undefined;
    const levels = topicName.split("/");
    const params: Record<string, string> = {};
    for (const [index, level] of this.#levels.entries())
      if (isParameter(level)) params[level.slice(1)] = levels[index]!;
    return params as ReadTopicParameters<Pattern>;
  }

  /** Checks a value and makes a payload of it. Rejects with a `RequestError` ERR_PAYLOAD_INVALID. */
  async encode(value: Input): Promise<Payload> {
    checked(await this.#schema["~standard"].validate(value));
    return this.codec.encode(value);
  }

  /**
   * Reads a payload and checks it.
   *
   * @returns a promise only where the schema gives one.
   * @throws RequestError ERR_PAYLOAD_INVALID.
   */
  decode(payload: Uint8Array): Output | Promise<Output> {
    const result = this.#schema["~standard"].validate(this.codec.decode(payload));
    return result instanceof Promise ? result.then(checked) : checked(result);
  }

  /**
   * A handler of plain messages that calls `handler` with checked ones. What is not valid is refused:
   * 0x99 on 5.0.
   */
  handlerOf(handler: TypedHandler<Pattern, Output>): (message: Message) => unknown {
    return (message) => {
      const typed = this.read(message);
      return typed instanceof Promise ? typed.then(handler) : handler(typed);
    };
  }

  /** Checks a message. @throws RequestError ERR_PAYLOAD_INVALID, or a promise that rejects with it. */
  read(message: Message): TypedMessage<Pattern, Output> | Promise<TypedMessage<Pattern, Output>> {
    const params = this.params(message.topicName)!;
    const value = this.decode(message.payload);
    return value instanceof Promise
      ? value.then((decoded) => ({ params, value: decoded, message }))
      : { params, value, message };
  }

  /** Goes through messages that are acknowledged by hand. @param refuse  Gets what is not valid, and acknowledges it. */
  async *iterate(
    messages: AsyncIterable<Message>,
    refuse: (error: unknown, message: Message) => void,
  ): AsyncGenerator<TypedMessage<Pattern, Output>, undefined> {
    for await (const message of messages) {
      let typed: TypedMessage<Pattern, Output>;
      try {
        typed = await this.read(message);
      } catch (error) {
        refuse(error, message);
        continue;
      }
      try {
        yield typed;
      } finally {
        message.ack();
      }
    }
    return undefined;
  }
}

/**
 * Describes a topic: a Topic Name with `:name` in the place of a level, and what validates the
 * payload (any Standard Schema library).
 *
 * ```ts
 * const temperature = topic("sensors/:site/:id/temperature", z.number());
 * await client.publish(temperature, { site: "north", id: 7 }, 21.5);
 * await client.subscribe(temperature, ({ params, value }) => show(params.site, value.toFixed(1)));
 * ```
 *
 * @throws UsageError ERR_TOPIC_NAME where the pattern is none.
 */
export function topic<const Pattern extends string, Input, Output>(
  pattern: Pattern,
  schema: StandardSchema<Input, Output>,
  options: TopicOptions = {},
): Topic<Pattern, Input, Output> {
  return new Topic(pattern, schema, options.codec ?? jsonCodec);
}

function isParameter(level: string): boolean {
  return level.startsWith(":");
}

function checked<Output>(result: SchemaResult<Output>): Output {
  if (result.issues === undefined) return result.value;
  throw new RequestError(
    "ERR_PAYLOAD_INVALID",
    `the payload is not what the topic takes: ${issuesText(result.issues)}`,
    { reasonCode: 0x99 },
  );
}
