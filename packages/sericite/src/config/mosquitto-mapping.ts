/** What `import-mosquitto` builds up while it reads. */
export interface Target {
  /** Puts a setting, by its path. */
  set(path: string, value: unknown): void;
  /** What was put there by a line before; `undefined`: nothing. */
  get(path: string): unknown;
  /** Puts a key of the listener that the line belongs to; see `listenerRows`. */
  setListener(key: string, value: unknown): void;
  /** Whether the line stands below `listener` while `per_listener_settings` is on. */
  readonly isPerListener: boolean;
}

/** What becomes of one keyword of mosquitto.conf. */
export interface Mapping {
  /** Its counterpart, or why there is none, for the documentation. */
  readonly text: string;
  /** @returns what the reader has to know; `undefined`: nothing. */
  readonly take?: (value: string, target: Target) => string | undefined;
}

const yes = (value: string): boolean => value === "true";

function setting(path: string, read: (value: string) => unknown = Number): Mapping {
  return {
    text: `\`${path}\``,
    take: (value, target) => {
      target.set(path, read(value));
      return undefined;
    },
  };
}

/** A bound that is written 0 where there is none. */
function bound(...paths: readonly string[]): Mapping {
  return {
    text: paths.map((path) => `\`${path}\``).join(", "),
    take: (value, target) => {
      if (Number(value) <= 0)
        return `no bound was set; ${paths.join(" and ")} stay at their default`;
      for (const path of paths) target.set(path, Number(value));
      return undefined;
    },
  };
}

function ofListener(key: string, read: (value: string) => unknown = String): Mapping {
  return {
    text: `\`${key}\` of the listener`,
    take: (value, target) => {
      target.setListener(key, read(value));
      return undefined;
    },
  };
}

function none(why: string): Mapping {
  return { text: `None: ${why}`, take: () => why };
}

function oneForAll(path: string): Mapping {
  return {
    text: `\`${path}\`, for all listeners`,
    take: (value, target) => {
      target.set(path, value);
      return target.isPerListener
        ? `${path} is one for all listeners; where there are several, the last counts`
        : undefined;
    },
  };
}

/** Levels of the log, the least important first, with the types of mosquitto's log that they have. */
const logTypes: Readonly<Record<string, readonly string[]>> = {
  debug: ["debug", "all"],
  info: ["notice", "information", "subscribe", "unsubscribe", "websockets"],
  warn: ["warning"],
  error: ["error"],
};

const units: Readonly<Record<string, number>> = {
  h: 3600,
  d: 86_400,
  w: 604_800,
  m: 2_592_000,
  y: 31_536_000,
};

const bridges = "bridges are not part of this version";
const tuning = "there is nothing to tune here";

/** Every keyword of mosquitto.conf (2.0 and 2.1) that is known, but for `listener` and those of bridges. */
export const mosquittoMapping: Readonly<Record<string, Mapping>> = {
  allow_anonymous: {
    text: "`auth.allowAnonymous`; per listener `auth.allowAnonymous` of the listener",
    take: (value, target) => {
      if (target.isPerListener) target.setListener("auth.allowAnonymous", yes(value));
      else target.set("auth.allowAnonymous", yes(value));
      return undefined;
    },
  },
  password_file: oneForAll("auth.passwordFile"),
  acl_file: {
    ...oneForAll("auth.aclFile"),
    text: "`auth.aclFile`: see [Access](ACCESS.md) for what a rule means",
  },
  persistence: {
    text: "`store.durability`: `strict` or `memory`",
    take: (value, target) => {
      target.set("store.durability", yes(value) ? "strict" : "memory");
      return undefined;
    },
  },
  persistence_location: {
    text: "`store.dataDir`; the data itself is not taken over",
    take: (value, target) => {
      target.set("store.dataDir", `${value.replace(/\/$/, "")}/sericite`);
      return "the data of mosquitto.db is not taken over";
    },
  },
  persistent_client_expiration: {
    text: "`session.maximumExpiryInterval`",
    take: (value, target) => {
      const [, count, unit] = /^(\d+)([hdwmy])$/.exec(value) ?? [];
      if (count === undefined) return "expected a number with h, d, w, m or y";
      target.set("session.maximumExpiryInterval", Number(count) * units[unit!]!);
      return undefined;
    },
  },
  max_connections: {
    text: "`limits.connections` of the listener",
    take: (value, target) => {
      if (Number(value) > 0) target.setListener("limits.connections", Number(value));
      return undefined;
    },
  },
  global_max_connections: {
    text: "`limits.connections`",
    take: (value, target) => {
      if (Number(value) > 0) target.set("limits.connections", Number(value));
      return undefined;
    },
  },
  max_packet_size: bound("mqtt.maximumPacketSize"),
  message_size_limit: bound("mqtt.maximumPacketSize"),
  max_inflight_messages: bound("session.inflightMaximum", "mqtt.receiveMaximum"),
  max_queued_messages: bound("session.queueMaximumMessages"),
  max_queued_bytes: bound("session.queueMaximumBytes"),
  max_keepalive: setting("mqtt.maximumKeepAlive"),
  max_qos: { ...setting("mqtt.maximumQos"), text: "`mqtt.maximumQos`, for all listeners" },
  retain_available: setting("mqtt.retainAvailable", yes),
  max_topic_alias: setting("mqtt.topicAliasMaximum"),
  max_topic_alias_broker: setting("mqtt.topicAliasOutboundMaximum"),
  sys_interval: setting("sys.interval", (value) => `${value}s`),
  log_type: {
    text: "`log.level`",
    take: (value, target) => {
      const levels = Object.keys(logTypes);
      const level = levels.find((name) => logTypes[name]!.includes(value));
      if (level === undefined) return "the log cannot be switched off; error is the shortest";
      const before = target.get("log.level") as string | undefined;
      if (before === undefined || levels.indexOf(level) < levels.indexOf(before))
        target.set("log.level", level);
      return undefined;
    },
  },
  log_dest: none("the log goes to standard output, as JSON lines where that is no terminal"),
  connection_messages: none("connections are logged at the level info; log.audit has them alone"),
  log_facility: none("the log goes to standard output"),
  websockets_log_level: none("log.level is for all of it"),
  websockets_headers_size: none("the headers of an upgrade may have 16 KiB"),
  log_timestamp: none("each line has a time"),
  log_timestamp_format: none("each line has a time, as ISO 8601"),
  certfile: ofListener("tls.certificate"),
  keyfile: ofListener("tls.key"),
  cafile: ofListener("tls.ca"),
  crlfile: ofListener("tls.crl"),
  capath: none("tls.ca names one file: join the authorities in it"),
  require_certificate: {
    text: "`tls.requestCertificate` of the listener: `require` or `off`",
    take: (value, target) => {
      target.setListener("tls.requestCertificate", yes(value) ? "require" : "off");
      return undefined;
    },
  },
  tls_version: {
    text: "`tls.minimumVersion` of the listener",
    take: (value, target) => {
      target.setListener("tls.minimumVersion", value === "tlsv1.3" ? "TLSv1.3" : "TLSv1.2");
      return value.startsWith("tlsv1.1")
        ? "TLS 1.1 is not spoken; TLS 1.2 is the oldest"
        : undefined;
    },
  },
  use_identity_as_username: {
    text: "`auth.certificate: commonName`, for all listeners",
    take: (value, target) => {
      if (yes(value)) target.set("auth.certificate", "commonName");
      return undefined;
    },
  },
  use_subject_as_username: {
    text: "`auth.certificate: subject`, for all listeners",
    take: (value, target) => {
      if (yes(value)) target.set("auth.certificate", "subject");
      return undefined;
    },
  },
  websockets_origin: ofListener("websocket.origins"),
  enable_proxy_protocol: {
    text: "`proxy.protocol` and `proxy.trusted` of the listener",
    take: (_value, target) => {
      target.setListener("proxy.protocol", true);
      target.setListener("proxy.trusted", "127.0.0.1");
      return "put the addresses of your proxies into proxy.trusted";
    },
  },
  ciphers: none("Node's list of ciphers is used"),
  "ciphers_tls1.3": none("Node's list of ciphers is used"),
  dhparamfile: none("elliptic curves are used"),
  tls_engine: none("keys are read from files"),
  tls_engine_kpass_sha1: none("keys are read from files"),
  tls_keyform: none("keys are PEM files; tls.keyPassphrase opens those that have a passphrase"),
  psk_file: none("TLS-PSK is not supported"),
  psk_hint: none("TLS-PSK is not supported"),
  mount_point: none("topics are not put below a prefix; rewrite rules can do that"),
  http_dir: none("no files are served over HTTP"),
  auth_plugin: none("write an authenticator or hooks with the library, or use auth.callbackUrl"),
  plugin: none("write an authenticator or hooks with the library, or use auth.callbackUrl"),
  global_plugin: none("write an authenticator or hooks with the library, or use auth.callbackUrl"),
  use_username_as_clientid: none("an authenticator of the library can set the Client Identifier"),
  clientid_prefixes: none("an authenticator of the library can refuse by Client Identifier"),
  auto_id_prefix: none("assigned Client Identifiers begin with auto-"),
  allow_duplicate_messages: none(
    "a message that several subscriptions of a client match comes once, with the highest QoS",
  ),
  auth_plugin_deny_special_chars: none("names with + or # in them are given nothing by a pattern"),
  retry_interval: none("mqtt.retryInterval, for clients of 3.x, is 10 s"),
  allow_zero_length_clientid: none("clients without a Client Identifier are assigned one"),
  queue_qos0_messages: setting("session.queueQos0", yes),
  upgrade_outgoing_qos: none("a message is sent with the lower of both QoS, as the standard says"),
  memory_limit: none(
    "limits.memory is what the bounds on memory are measured by, and limits.queuedBytes what may wait in it",
  ),
  autosave_interval: none("everything is kept before it is acknowledged"),
  autosave_on_changes: none("everything is kept before it is acknowledged"),
  persistence_file: none("the store has files of its own"),
  max_inflight_bytes: none(tuning),
  set_tcp_nodelay: none("always on"),
  retain_expiry_interval: none("give messages a Message Expiry Interval"),
  check_retain_source: none("rights are asked when a retained message is delivered"),
  pid_file: none("the pid stands in the first line of the log"),
  user: none("start the broker as the user that it is to run as"),
  include_dir: none("import each file by itself"),
  socket_domain: none("give host an address of the kind that is wanted"),
  bind_interface: none("give host the address of the interface"),
};

/** Keywords that belong to a bridge, besides those that begin with `bridge_` or `remote_`. */
export const bridgeKeywords: Mapping & { readonly names: readonly string[] } = {
  text: `None: ${bridges}`,
  names: [
    "connection",
    "address",
    "addresses",
    "topic",
    "start_type",
    "round_robin",
    "try_private",
    "cleansession",
    "clientid",
    "username",
    "password",
    "notifications",
    "notification_topic",
    "notifications_local_only",
    "restart_timeout",
    "idle_timeout",
    "keepalive_interval",
    "threshold",
    "local_clientid",
    "local_username",
    "local_password",
    "local_cleansession",
  ],
  take: () => bridges,
};
