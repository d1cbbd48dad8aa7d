import { ProtocolError } from "../errors.ts";
import { ReasonCode } from "../reason-code.ts";
import { sizeFault, utf8Width } from "./topic-name.ts";

/** A Topic Filter, taken apart. */
export interface TopicFilter {
  /** What Topic Names are matched with: without `$share/NAME/` or `$queue/`. */
  readonly topicFilter: string;
  /** ShareName of a Shared Subscription (§4.8.2); `"$queue"` for `$queue/…`; `undefined` for an ordinary one. */
  readonly shareName: string | undefined;
  /** Levels of `topicFilter`, 1 or more. */
  readonly levels: number;
  readonly hasWildcard: boolean;
}

const sharePrefix = "$share/";
const queuePrefix = "$queue/";

/**
 * Takes a Topic Filter apart and checks it (§4.7, §4.8.2).
 *
 * `$queue/FILTER` is a Shared Subscription of one group for everybody (no standard; EMQX's and
 * others' practice). A filter such as `$share` or `$shared/x` is an ordinary one.
 *
 * @param maximumLevels  Most levels that are allowed, the share prefix not counted.
 * @throws ProtocolError ERR_TOPIC_FILTER, Reason Code 0x8F.
 */
export function parseTopicFilter(text: string, maximumLevels?: number): TopicFilter {
  let start = 0;
  let shareName: string | undefined;
  if (text.startsWith(sharePrefix)) {
    const end = text.indexOf("/", sharePrefix.length);
    if (end < 0) throw invalid(text, "is a Shared Subscription without a Topic Filter"); // [MQTT5-4.8.2-2]
    if (end === sharePrefix.length) throw invalid(text, "has an empty ShareName"); // [MQTT5-4.8.2-1]
    shareName = text.slice(sharePrefix.length, end);
    if (shareName.includes("+") || shareName.includes("#"))
      throw invalid(text, "has a wildcard in its ShareName"); // [MQTT5-4.8.2-2]
    start = end + 1;
  } else if (text.startsWith(queuePrefix)) {
    shareName = "$queue";
    start = queuePrefix.length;
  }
  if (start === text.length) throw invalid(text, "is empty"); // [MQTT5-4.7.3-1] [MQTT3-4.7.3-1]

  let bytes = start; // all of the prefix that is not ASCII is counted below
  let levels = 1;
  let hasWildcard = false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    const width = utf8Width(text, index, unit);
    if (width === 0) throw invalid(text, "holds a lone surrogate"); // [MQTT5-1.5.4-1] [MQTT3-1.5.3-1]
    if (unit === 0) throw invalid(text, "holds U+0000"); // [MQTT5-4.7.3-2] [MQTT3-4.7.3-2]
    if (index < start) {
      bytes += width === 4 ? 2 : width - 1;
    } else {
      bytes += width;
      if (unit === 0x2f) levels += 1;
      else if (unit === 0x2b || unit === 0x23) {
        hasWildcard = true;
        const alone =
          (index === start || text.charCodeAt(index - 1) === 0x2f) &&
          (index + 1 === text.length || text.charCodeAt(index + 1) === 0x2f);
        if (!alone) throw invalid(text, `has a ${text.charAt(index)} that does not fill a level`); // [MQTT5-4.7.1-1] [MQTT5-4.7.1-2] [MQTT3-4.7.1-2] [MQTT3-4.7.1-3]
        if (unit === 0x23 && index + 1 !== text.length)
          throw invalid(text, "has a # before its last level"); // [MQTT5-4.7.1-1] [MQTT3-4.7.1-2]
      }
    }
    if (width === 4) index += 1;
  }
  const fault = sizeFault(bytes, levels, maximumLevels);
  if (fault !== undefined) throw invalid(text, fault);
  return { topicFilter: start === 0 ? text : text.slice(start), shareName, levels, hasWildcard };
}

/**
 * Whether a Topic Name is matched by a Topic Filter (§4.7). Both must be valid; no share prefix.
 *
 * Plain and without memory of its own: for a handful of filters. `TopicTree` is for many.
 */
export function topicFilterMatches(topicFilter: string, topicName: string): boolean {
  const first = topicFilter.charCodeAt(0);
  if (topicName.charCodeAt(0) === 0x24 && (first === 0x2b || first === 0x23)) return false; // [MQTT5-4.7.2-1] [MQTT3-4.7.2-1]
  const filterLevels = topicFilter.split("/");
  const nameLevels = topicName.split("/");
  for (const [depth, level] of filterLevels.entries()) {
    if (level === "#") return true; // the parent level too
    if (depth >= nameLevels.length) return false;
    if (level !== "+" && level !== nameLevels[depth]) return false; // [MQTT5-4.7.3-4] [MQTT3-4.7.3-4]
  }
  return filterLevels.length === nameLevels.length;
}

function invalid(text: string, fault: string): ProtocolError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return new ProtocolError(
    "ERR_TOPIC_FILTER",
    ReasonCode.topicFilterInvalid,
    `Topic Filter ${JSON.stringify(shown)} ${fault}`,
  );
}
