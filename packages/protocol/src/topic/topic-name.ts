/** Longest Topic Name or Topic Filter (§1.5.4). Bytes of UTF-8. */
export const maximumTopicBytes = 65_535;

const slash = 0x2f;

/**
 * Why `topicName` is not a valid Topic Name, or `undefined` where it is one (§4.7).
 *
 * @param maximumLevels  Most levels that are allowed; absent: as many as fit.
 * @returns a part of a sentence that says what was seen, such as `"holds the wildcard +"`.
 */
export function topicNameFault(topicName: string, maximumLevels?: number): string | undefined {
  if (topicName.length === 0) return "is empty"; // [MQTT5-4.7.3-1] [MQTT3-4.7.3-1]
  let bytes = 0;
  let levels = 1;
  for (let index = 0; index < topicName.length; index++) {
    const unit = topicName.charCodeAt(index);
    if (unit < 0x80) {
      bytes += 1;
      if (unit === slash) levels += 1;
      else if (unit === 0x2b) return "holds the wildcard +"; // [MQTT5-4.7.0-1] [MQTT3-4.7.1-1]
      else if (unit === 0x23) return "holds the wildcard #"; // [MQTT5-4.7.0-1] [MQTT3-4.7.1-1]
      else if (unit === 0) return "holds U+0000"; // [MQTT5-4.7.3-2] [MQTT3-4.7.3-2]
    } else {
      const width = utf8Width(topicName, index, unit);
      if (width === 0) return "holds a lone surrogate"; // [MQTT5-1.5.4-1] [MQTT3-1.5.3-1]
      bytes += width;
      if (width === 4) index += 1;
    }
  }
  return sizeFault(bytes, levels, maximumLevels);
}

/** What `topicNameFault` and `parseTopicFilter` say of a text that is too long or too deep. */
export function sizeFault(
  bytes: number,
  levels: number,
  maximumLevels: number | undefined,
): string | undefined {
  if (bytes > maximumTopicBytes) return `has ${bytes} bytes, more than ${maximumTopicBytes}`; // [MQTT5-4.7.3-3] [MQTT3-4.7.3-3]
  if (maximumLevels !== undefined && levels > maximumLevels)
    return `has ${levels} levels, more than ${maximumLevels}`;
  return undefined;
}

/** Bytes of UTF-8 for the character at `index`, whose first code unit is `unit`; 0 for a lone surrogate. */
export function utf8Width(text: string, index: number, unit: number): 0 | 1 | 2 | 3 | 4 {
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  if (unit < 0xd800 || unit > 0xdfff) return 3;
  const low = text.charCodeAt(index + 1); // NaN at the end, which no comparison below lets pass
  return unit < 0xdc00 && low >= 0xdc00 && low <= 0xdfff ? 4 : 0;
}
