import { errors } from "@postern/shared/errors";
import {
  type Aggregator,
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  type MetricObject,
  Registry,
} from "prom-client";
import { oneAtATime } from "./one-at-a-time.js";

/**
 * What Prometheus reads. Labels are of fixed, short lists; no person's name, no address or id is one. Whether a name is
 * known shows in nothing: who may read this could try names, and watch.
 */
export interface Metrics {
  /** Counts an event of the audit log, or an API key that was refused. */
  heard(event: { readonly event: string; readonly outcome: string; readonly reason?: string }): void;
  /** Counts what a peer was refused with. */
  refused(code: string): void;
  /** Counts a balancer's connection that was closed for want of a PROXY header. */
  headerRefused(fault: string): void;
  /** The text of the exposition format 0.0.4. */
  render(): Promise<string>;
  /** The same as it goes to another process, to be put together by `mergeFigures`. */
  figures(): Promise<Figures>;
  readonly contentType: string;
}

/** Metrics with their values. */
export type Figures = readonly MetricObject[];

/** What is asked when somebody reads. What fails is left out, and the rest is told. */
export interface MetricSources {
  readonly version: string;
  /** Which node this is, where it has a name. */
  readonly nodeName?: string | undefined;
  readonly connections: () => Readonly<Record<string, number>>;
  readonly draining: () => boolean;
  readonly auditLength?: (() => Promise<number>) | undefined;
  readonly challenges?: (() => Promise<ChallengeCounts>) | undefined;
  readonly store?: (() => Promise<{ readonly bytes: number; readonly free?: number } | undefined>) | undefined;
  /** Milliseconds since 1970. */
  readonly leafEnds: () => number;
}

interface ChallengeCounts {
  readonly open: number;
  readonly waiting: number;
  readonly dead: number;
}

export const namePrefix = "posternd_";

/** Reasons that a label may be; others are `other`. */
const reasons = {
  login: new Set(["throttled", "busy", "channel_mismatch", "account_changed"]),
  code: new Set([
    "wrong_code",
    "replayed_code",
    "expired_code",
    "token_unknown",
    "token_expired",
    "throttled",
    "locked",
    "no_code",
    "account_changed",
  ]),
  registration: new Set([
    "closed",
    "name_taken",
    "wrong_first_code",
    "no_invite",
    "invite_unknown",
    "invite_expired",
    "invite_used",
    "invite_revoked",
  ]),
  apiKey: new Set(["malformed", "unknown", "wrong_secret", "expired", "rotated", "revoked"]),
} as const;

/** Events in which a code is given, or a token in its place. */
const codeEvents = new Set([
  "login.code",
  "password.change",
  "password.reset",
  "factor.reset",
  "session.verify",
  "account.delete",
]);

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // Under their usual names, which dashboards and alerts of others know.
  collectDefaultMetrics({ register: registry });
  const count = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `${namePrefix}${name}`, help, labelNames, registers });
  const gauge = (
    name: string,
    help: string,
    read: (self: Gauge) => Promise<void> | void,
    labelNames: string[] = [],
    // What all workers say of the same thing is said once.
    aggregator: Aggregator = "max",
  ) =>
    new Gauge({
      aggregator,
      name: `${namePrefix}${name}`,
      help,
      labelNames,
      registers,
      async collect() {
        // What is not set anew is not known.
        if (labelNames.length > 0) this.reset();
        else this.remove({});
        await attempt(() => read(this));
      },
    });

  const logins = count("logins_total", "Logins, and refused passwords and codes of logins", ["outcome"]);
  const codes = count("second_factor_failures_total", "Codes that were refused, in whatever call", ["reason"]);
  const registrations = count("registrations_total", "Registrations", ["outcome"]);
  const events = count("audit_events_total", "Events of the audit log", ["event", "outcome"]);
  const apiKeys = count("api_key_refusals_total", "API keys that were refused", ["reason"]);
  const refusals = count("refusals_total", "Refusals on the wire port, by error code", ["code"]);
  const headers = count("proxy_header_refusals_total", "Connections closed for want of a PROXY header", ["reason"]);

  gauge("build_info", "1; what runs", (self) => self.set({ version: sources.version, node: process.version }, 1), [
    "version",
    "node",
  ]);
  if (sources.nodeName !== undefined) {
    const { nodeName: name } = sources;
    gauge("node_info", "1; which node of the store this is", (self) => self.set({ name }, 1), ["name"]);
  }
  gauge(
    "connections",
    "Open connections of the wire port",
    (self) => {
      for (const [state, open] of Object.entries(sources.connections())) self.set({ state }, open);
    },
    ["state"],
    "sum",
  );
  gauge("draining", "1 while the server is being stopped", (self) => self.set(Number(sources.draining())));
  gauge("audit_entries", "Length of the audit log, all nodes together", async (self) =>
    setIfKnown(self, await sources.auditLength?.()),
  );
  const challenges = oneAtATime(async () => sources.challenges?.());
  gauge("challenges_open", "Pages of challenges that somebody may answer", async (self) =>
    setIfKnown(self, (await challenges())?.open),
  );
  gauge(
    "callbacks",
    "Messages to applications that wait, and that could not be delivered",
    async (self) => {
      const counts = await challenges();
      if (counts === undefined) return;
      self.set({ state: "waiting" }, counts.waiting);
      self.set({ state: "dead" }, counts.dead);
    },
    ["state"],
  );
  gauge("certificate_expiry_timestamp_seconds", "When the leaf of the server's identity ends", (self) =>
    self.set(Math.floor(sources.leafEnds() / 1000)),
  );
  gauge("store_bytes", "Size of the store", async (self) => setIfKnown(self, (await sources.store?.())?.bytes));
  gauge("store_disk_free_bytes", "Free space on the store's disk", async (self) =>
    setIfKnown(self, (await sources.store?.())?.free),
  );

  return {
    heard: ({ event, outcome, reason = "" }) => {
      // The one that is no event of the log.
      if (event === "apikey.use") return apiKeys.inc({ reason: knownOf(reasons.apiKey, reason) });
      events.inc({ event, outcome });
      if (event === "login") logins.inc({ outcome });
      if (event === "login.password") logins.inc({ outcome: passwordOutcome(reason) });
      if (event === "login.code" && outcome === "refused") logins.inc({ outcome: "code_refused" });
      if (codeEvents.has(event) && outcome === "refused") codes.inc({ reason: knownOf(reasons.code, reason) });
      if (event === "register") {
        registrations.inc({ outcome: outcome === "done" ? outcome : knownOf(reasons.registration, reason) });
      }
    },
    refused: (code) => refusals.inc({ code: Object.hasOwn(errors, code) ? code : "other" }),
    headerRefused: (reason) => headers.inc({ reason }),
    render: () => registry.metrics(),
    figures: () => registry.getMetricsAsJSON(),
    contentType: registry.contentType,
  };
}

/** The figures of a process that serves nobody: its memory, processor and event loop. */
export function createOwnMetrics(): Pick<Metrics, "figures"> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return { figures: () => registry.getMetricsAsJSON() };
}

/** The figures of several processes as those of one server: counts are added, as each metric says of itself. */
export function mergeFigures(all: readonly Figures[]): Pick<Metrics, "render" | "figures"> {
  // Of what is merged once more, nobody has kept how: these are counts.
  const known = all.map((figures) => figures.map((metric) => ({ ...metric, aggregator: metric.aggregator ?? "sum" })));
  const registry = AggregatorRegistry.aggregate(known.map((figures) => [...figures]));
  return { render: () => registry.metrics(), figures: () => registry.getMetricsAsJSON() };
}

/** What has only ever grown: of a process that has ended it still counts, else the sum would fall. */
export function countsOf(figures: Figures): Figures {
  return figures.filter(({ type }) => ["counter", "histogram"].includes(String(type)));
}

/** A wrong password and an unknown name count as one. */
function passwordOutcome(reason: string): string {
  return reason === "wrong_password" || reason === "unknown_name" ? "password_refused" : knownOf(reasons.login, reason);
}

const knownOf = (known: ReadonlySet<string>, reason: string) => (known.has(reason) ? reason : "other");

function setIfKnown(self: Gauge, value: number | undefined): void {
  if (value !== undefined) self.set(value);
}

/** A store that fails now must not take the rest of the figures with it. */
async function attempt(read: () => Promise<void> | void): Promise<void> {
  try {
    await read();
  } catch {
    // The figure is missing; `/readyz` and the log say why.
  }
}
