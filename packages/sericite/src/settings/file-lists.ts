/** The lists of a config file, each with an entry to begin with; all else in a file are sections. */
export const fileLists = {
  listeners: "port: 1884",
  rewrite: "{ from: old/#, pattern: '^old/(.+)$', to: new/$1 }",
  autoSubscribe: "topicFilter: to/%c/#",
  bans: "{ kind: address, value: 192.0.2.0/24 }",
} as const;

/** Name of a list. */
export type FileList = keyof typeof fileLists;
