import type { z } from "zod";
import { oneAtATime } from "../../one-at-a-time.js";
import { clearLogLevel, setLogLevel, storedLogLevel } from "../../services/log-level.js";
import { readStatus } from "../../services/status.js";
import { probeStore } from "../../services/store.js";
import type { App } from "../app.js";
import { peerOf } from "../peer.js";
import { logLevelOf, logLevelReply, logLevelRequest, statusOf, statusReply, versionReply } from "./admin-schemas.js";
import { callerOf } from "./authorize.js";
import { noQuery, reply } from "./credentials.js";
import type { ApiParts } from "./parts.js";

const scope = { scope: "admin" } as const;
const tags = ["admin"];

/** The server itself, for who watches over it. What concerns people is the operator's at a terminal alone. */
export function addAdminRoutes(app: App, parts: ApiParts): void {
  const { server } = parts;
  app.get(
    "/v1/admin/version",
    {
      config: scope,
      schema: {
        operationId: "showVersion",
        tags,
        summary: "Which program this is",
        querystring: noQuery,
        response: { 200: reply("Name and version", versionReply) },
      },
    },
    async () => server,
  );
  addStatus(app, parts);
  addLogLevel(app, parts);
}

function addStatus(app: App, { services, server, draining = () => false, storeUsage, ...parts }: ApiParts): void {
  const { barrier, now } = services;
  const { startedAt = now() } = parts;
  const look = oneAtATime(async () => ({
    status: await readStatus(barrier, now()),
    commits: await probeStore(barrier).then(
      () => true,
      () => false,
    ),
    usage: await storeUsage?.(),
  }));
  app.get(
    "/v1/admin/status",
    {
      config: scope,
      schema: {
        operationId: "showStatus",
        tags,
        summary: "How the store is, and which servers run on it",
        description: "All records are counted for it: ask every few minutes, and `/metrics` in between.",
        querystring: noQuery,
        response: { 200: reply("As of this moment", statusReply) },
      },
    },
    async () => statusOf({ ...(await look()), server, startedAt, draining: draining(), now: now() }),
  );
}

function addLogLevel(app: App, { services }: ApiParts): void {
  const path = "/v1/admin/log-level";
  const current = async () => logLevelOf(await storedLogLevel(services.barrier, services.now()));
  const response = { 200: reply("What is set now", logLevelReply) };
  app.get(
    path,
    {
      config: scope,
      schema: {
        operationId: "showLogLevel",
        tags,
        summary: "How much all servers of the store log",
        querystring: noQuery,
        response,
      },
    },
    current,
  );
  app.put(
    path,
    {
      config: scope,
      schema: {
        operationId: "setLogLevel",
        tags,
        summary: "Sets how much all servers of the store log; with null each goes by its own again",
        description: "Servers that run take it up within seconds.",
        querystring: noQuery,
        body: logLevelRequest,
        response,
      },
    },
    async (request) => {
      await putLogLevel(services, request.body, { peer: peerOf(request), application: callerOf(request).application });
      return current();
    },
  );
}

async function putLogLevel(
  services: ApiParts["services"],
  { level, expires_in }: z.infer<typeof logLevelRequest>,
  by: Parameters<typeof clearLogLevel>[1],
): Promise<void> {
  if (level === null) await clearLogLevel(services, by);
  else await setLogLevel(services, level, expires_in === undefined ? undefined : expires_in * 1000, by);
}
