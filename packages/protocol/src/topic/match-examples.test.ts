/** The examples of the standard's section 4.7, and what follows from it. */
export const matchExamples = [
  ["sport/tennis/player1/#", "sport/tennis/player1", true],
  ["sport/tennis/player1/#", "sport/tennis/player1/ranking", true],
  ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
  ["sport/#", "sport", true],
  ["sport/#", "sports", false],
  ["#", "sport", true],
  ["#", "/", true],
  ["sport/tennis/+", "sport/tennis/player1", true],
  ["sport/tennis/+", "sport/tennis/player1/ranking", false],
  ["sport/+", "sport", false],
  ["sport/+", "sport/", true],
  ["+", "sport", true],
  ["+/tennis/#", "sport/tennis", true],
  ["sport/+/player1", "sport/tennis/player1", true],
  ["+/+", "/finance", true],
  ["/+", "/finance", true],
  ["+", "/finance", false],
  ["#", "$SYS/uptime", false], // [MQTT5-4.7.2-1] [MQTT3-4.7.2-1]
  ["+/uptime", "$SYS/uptime", false],
  ["+", "$SYS", false],
  ["$SYS/#", "$SYS/uptime", true],
  ["$SYS/+", "$SYS/uptime", true],
  ["a/#", "a/$SYS", true],
  ["+/$SYS", "a/$SYS", true],
  ["ACCOUNTS", "Accounts", false],
  ["finance", "/finance", false],
  ["a", "a/", false],
  ["a//b", "a/b", false],
  ["a/+/b", "a//b", true],
  ["/", "/", true],
  ["+/+", "/", true],
  ["é", "e\u0301", false], // [MQTT5-4.7.3-4] [MQTT3-4.7.3-4]
] as const;
