import { lookup } from "node:dns/promises";
import type { AddressInfo } from "node:net";
import { listenError } from "../listen-error.js";
import type { Log } from "../log.js";
import { type BalancerOptions, expectHeaders } from "../proxy-protocol/door.js";
import { addApi } from "./api/index.js";
import { addOpenApi } from "./api/openapi.js";
import type { ApiParts } from "./api/parts.js";
import { type App, type Credentials, createApp, within } from "./app.js";
import type { DoorOptions } from "./door.js";
import { addHealth, addMetrics, type MetricsPage } from "./health.js";
import { addProblems } from "./problems.js";
import { UnderWay } from "./under-way.js";

export type { MetricsPage } from "./health.js";

export interface HttpOptions extends ApiParts {
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly credentials: Credentials;
  readonly log: Log;
  readonly door?: DoorOptions | undefined;
  /** Undefined: no balancer says whose a connection is. */
  readonly balancers?: BalancerOptions | undefined;
  /** Adds what is no API: pages for people. */
  readonly pages?: ((app: App) => Promise<void>) | undefined;
  /** Undefined: there is no `/metrics`. */
  readonly metrics?: MetricsPage | undefined;
}

export interface HttpListener {
  readonly address: AddressInfo;
  /** For connections that begin from now on; those that stand go on as they are. */
  setCredentials(credentials: Credentials): void;
  /** Resolves once every request of this moment is answered. */
  settled(): Promise<void>;
  /** Takes no more connections; what is answered still has `CLOSING_MS`, and is then cut off. */
  close(): Promise<void>;
}

/** An answer that is on its way needs no more; one that somebody does not read must not keep the program from ending. */
const CLOSING_MS = 2_000;

/** @throws PosternError `address_in_use`, `address_unavailable` */
export async function listenHttp(options: HttpOptions): Promise<HttpListener> {
  const { host, port, credentials, log, services, draining = () => false } = options;
  const { app, setCredentials } = createApp(credentials, options.door);
  const underWay = new UnderWay(app);
  addProblems(app, log);
  await addOpenApi(app, options.server);
  // A plugin of its own, so that the description of the API, which hears of routes as they are added, hears of these.
  await within(app, async (routes) => {
    addHealth(routes, services, draining);
    if (options.metrics !== undefined) addMetrics(routes, options.metrics);
    await addApi(routes, options);
    await options.pages?.(routes);
  });
  const closeDoor = options.balancers && expectHeaders(app.server, options.balancers);
  await listenAtOne(app, { host, port }).catch((cause: NodeJS.ErrnoException) => {
    throw listenError(cause, { host, port });
  });
  return {
    address: app.server.address() as AddressInfo,
    setCredentials,
    settled: () => underWay.settled(),
    close: async () => {
      closeDoor?.();
      const timer = setTimeout(() => app.server.closeAllConnections(), CLOSING_MS);
      try {
        await app.close();
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/**
 * Fastify opens a second server where `localhost` has two addresses, which nothing here reaches: it would have no door,
 * and go on showing the leaf of its start.
 */
async function listenAtOne(app: App, { host, port }: { host: string; port: number }): Promise<void> {
  await app.listen({ host: host === "localhost" ? (await lookup(host)).address : host, port });
}
