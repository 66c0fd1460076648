/**
 * The one table of options of `posternd start` and of the store: flags, variables, keys of the configuration file, the
 * table in docs/operations.md and `config show` all come from it. A new option is one entry.
 *
 * `--config`, `--json`, `--no-input` and `--help` are about the one call, and stand on the command line alone (but for
 * POSTERND_CONFIG).
 */
export interface OptionFacts {
  /** `--key`, `key = …` in the file, `POSTERND_KEY` in the environment. */
  readonly key: string;
  /** What it takes, for the help; a switch takes nothing. */
  readonly value?: string;
  /** For the help and the docs: no capital, no period. */
  readonly what: string;
  readonly choices?: readonly string[];
  /** What it is when nobody says anything. */
  readonly fallback?: string;
  /** What holds when it is not given and has no fallback, in words. */
  readonly unset?: string;
  /** Values with commas between; in the file an array may stand for them. */
  readonly list?: true;
  /** Its value is a secret itself, not the path of one: never shown, and a file that holds it is for its owner only. */
  readonly secret?: true;
  /** Parses the value, for its errors only. Imports what it needs: the help must not wait for it. */
  readonly check?: (value: string) => Promise<unknown>;
}

const address = async (value: string) => (await import("@postern/shared/server-address")).parseListenAddress(value);

/** The options of every command that opens the store. */
export const storeOptions: readonly OptionFacts[] = [
  {
    key: "data",
    value: "<dir>",
    what: "the data directory",
    unset: "$XDG_DATA_HOME/postern, else ~/.local/share/postern",
  },
  {
    key: "store",
    value: "<lmdb|url>",
    what: "where the store is: lmdb, the data directory; or postgres://USER@HOST[:PORT]/DATABASE",
    fallback: "lmdb",
    check: async (value) => value === "lmdb" || (await import("../../postgres-url.js")).parsePostgresUrl(value),
  },
  {
    key: "store-password-file",
    value: "<file>",
    what: "the password of that database's user",
    unset: "as libpq: $PGPASSFILE, else ~/.pgpass",
  },
  {
    key: "admin-password-file",
    value: "<file>",
    what: "read the admin password from a file, or from stdin with -",
    unset: "asks on the terminal",
  },
];

export const serverOptions: readonly OptionFacts[] = [
  { key: "init", what: "make the store when there is none; else open it", unset: "off" },
  {
    key: "node",
    value: "<name>",
    what: "which node this is: servers of one name write one chain of the audit log",
    unset: "with a database the host's name; else store, the store's own chain",
    check: async (value) => (await import("../../records/node.js")).parseNodeName(value),
  },
  {
    key: "listen",
    value: "<host:port>",
    what: "where clients connect; port 0: any free one",
    fallback: "127.0.0.1:7465",
    check: address,
  },
  {
    key: "workers",
    value: "<number|auto>",
    what: "how many processes serve; auto: as many as there are cores",
    fallback: "1",
    check: async (value) => (await import("../workers-option.js")).parseWorkers(value),
  },
  {
    key: "http",
    value: "<host:port|off>",
    what: "where the HTTPS port listens",
    fallback: "127.0.0.1:7466",
    check: async (value) => value === "off" || address(value),
  },
  {
    key: "http-cert",
    value: "<file>",
    what: "your own certificate for the HTTPS port, with its chain (PEM)",
    unset: "the server's own",
  },
  { key: "http-key", value: "<file>", what: "the key of that certificate (PEM)", unset: "none" },
  {
    key: "registration",
    value: "<mode>",
    what: "who may register",
    choices: ["open", "invite", "closed"],
    fallback: "open",
  },
  {
    key: "public-url",
    value: "<url>",
    what: "where other services reach the HTTPS port: iss of tokens, and a name in the certificate",
    unset: "https:// and the HTTPS port's address",
    check: async (value) => (await import("../public-url.js")).parsePublicUrl(value),
  },
  {
    key: "smtp",
    value: "<url>",
    what: "the mail server for one-time codes: smtp://[USER@]HOST[:PORT] (STARTTLS), or smtps://",
    unset: "no mail is sent",
    check: async (value) => (await import("../../mail/smtp-url.js")).parseSmtpUrl(value),
  },
  { key: "smtp-password-file", value: "<file>", what: "the password of that user", unset: "none" },
  {
    key: "smtp-from",
    value: "<address>",
    what: "whom mails are from",
    unset: "postern@ and the host of --public-url",
    check: async (value) => (await import("@postern/shared/mail-address")).parseMailAddress(value),
  },
  {
    key: "reply-to-hosts",
    value: "<hosts>",
    what: "where pages of challenges may send people by https, such as wa.me,bot.example:8443",
    fallback: "wa.me,api.whatsapp.com,t.me,m.me,signal.me",
    list: true,
    check: async (value) => (await import("../../services/challenges/reply-to.js")).parseReplyToHosts(value),
  },
  {
    key: "callback-hosts",
    value: "<hosts>",
    what: "where callbacks may go: host for its port 443, host:port for another",
    unset: "callbacks wait, and are not delivered",
    list: true,
    check: async (value) => (await import("../callbacks/destinations.js")).parseCallbackHosts(value),
  },
  {
    key: "callback-private",
    value: "<ranges>",
    what: "which addresses that are not public callbacks may go to, and there without TLS",
    unset: "none",
    list: true,
    check: async (value) => (await import("../address-limits.js")).parseCallbackPrivate(value),
  },
  {
    key: "address-limits",
    value: "<off|ranges>",
    what: "which addresses have no limits of their own: ranges such as 10.0.0.0/8,::1/128, or with off all",
    unset: "every address has its limits",
    list: true,
    check: async (value) => (await import("../address-limits.js")).parseAddressLimits(value),
  },
  {
    key: "trusted-proxy",
    value: "<ranges>",
    what: "proxies in front of the HTTPS port, whose X-Forwarded-For is believed: ranges such as 10.0.0.2/32",
    unset: "none: the address is the socket's",
    list: true,
    check: async (value) => (await import("../address-limits.js")).parseTrustedProxies(value),
  },
  {
    key: "proxy-protocol",
    value: "<ranges>",
    what: "balancers in front of both ports, whose connections begin with a PROXY header: ranges such as 10.0.0.2/32",
    unset: "none: the address is the socket's",
    list: true,
    check: async (value) => (await import("../address-limits.js")).parseBalancers(value),
  },
  {
    key: "page-texts",
    value: "<dir>",
    what: "texts of challenge pages in further languages: files such as fr.json",
    unset: "English and Spanish",
  },
  {
    key: "metrics",
    value: "<off|ranges>",
    what: "which addresses may read /metrics on the HTTPS port",
    fallback: "127.0.0.0/8,::1/128",
    list: true,
    check: async (value) => (await import("../address-limits.js")).parseMetricsReaders(value),
  },
  {
    key: "audit-retention",
    value: "<days>",
    what: "how long audit entries are kept, such as 365d",
    unset: "for good",
    check: async (value) => (await import("../audit-options.js")).parseRetention("--audit-retention", value),
  },
  {
    key: "drain",
    value: "<seconds>",
    what: "how long what is under way may take when the server is stopped, such as 30s",
    fallback: "30s",
    check: async (value) => (await import("../spans.js")).parseDrain(value),
  },
  {
    key: "log-level",
    value: "<level>",
    what: "how much is logged",
    choices: ["error", "warn", "info", "debug"],
    fallback: "info",
  },
  {
    key: "log-format",
    value: "<format>",
    what: "how it is logged",
    choices: ["pretty", "json"],
    unset: "pretty on a terminal, json elsewhere",
  },
];

/** All that may stand in the file, in the order of the docs. */
export const allOptions: readonly OptionFacts[] = [...storeOptions, ...serverOptions];

/** Those by which mail goes out. */
export const mailOptions: readonly OptionFacts[] = serverOptions.filter(
  ({ key }) => key === "public-url" || key === "smtp" || key.startsWith("smtp-"),
);

/** Those by which callbacks go out. */
export const callbackOptions: readonly OptionFacts[] = serverOptions.filter(({ key }) => key.startsWith("callback-"));

export const variableOf = ({ key }: OptionFacts): string => `POSTERND_${key.toUpperCase().replaceAll("-", "_")}`;

/** `--admin-password-file <file>` */
export const flagsOf = ({ key, value }: OptionFacts): string =>
  value === undefined ? `--${key}` : `--${key} ${value}`;

/** The name under which commander hands it to a command. */
export const attributeOf = ({ key }: OptionFacts): string =>
  key.replace(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase());
