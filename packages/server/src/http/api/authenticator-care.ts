import { type Id, idPattern } from "@postern/shared/ids";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import {
  listAuthenticators,
  removeAuthenticator,
  showAuthenticator,
  unlockAuthenticator,
} from "../../services/applications/authenticator-care.js";
import { verifyAuthenticator } from "../../services/applications/authenticator-verify.js";
import type { ShownAuthenticator, ShownOf } from "../../services/applications/shown-authenticator.js";
import type { ServiceContext } from "../../services/context.js";
import type { App } from "../app.js";
import { peerOf } from "../peer.js";
import { codeBody, type hotpShown, type totpShown } from "./authenticator-forms.js";
import { callerOf } from "./authorize.js";
import {
  deletion,
  etag,
  ifMatchHeader,
  judging,
  noQuery,
  pageOf,
  pageQuery,
  pageReply,
  paramsOf,
  reply,
  sendVerdict,
  unknown,
  versionsOf,
} from "./credentials.js";

type Told = z.output<typeof totpShown> | z.output<typeof hotpShown>;

interface Care<K extends "totp" | "hotp"> {
  readonly kind: K;
  /** In the names of operations. */
  readonly name: string;
  readonly shown: z.ZodType<Told>;
  readonly told: (shown: ShownOf<K>) => Told;
}

/** What both kinds have in common. */
export function addCare<K extends "totp" | "hotp">(
  app: App,
  services: ServiceContext,
  { kind, name, shown, told }: Care<K>,
): void {
  const config = { scope: kind };
  const id: z.ZodType<Id<K>, string> = idPattern(kind);
  const params = paramsOf(id, kind);
  const common = { tags: [kind], params, querystring: noQuery };
  const idOf = (request: FastifyRequest) => (request.params as { id: Id<K> }).id;
  const sendShown = (answer: FastifyReply, record: ShownOf<K>) => {
    answer.header("etag", etag(record as ShownAuthenticator));
    return told(record);
  };

  app.post(
    `/v1/${kind}/:id/verify`,
    {
      config,
      schema: {
        ...common,
        operationId: `verify${name}`,
        ...judging,
        body: codeBody,
      },
    },
    async (request, answer) => {
      const typed = { id: idOf(request), code: request.body.code };
      return sendVerdict(answer, await verifyAuthenticator<K>(services, peerOf(request), callerOf(request), typed));
    },
  );

  app.get(
    `/v1/${kind}/:id`,
    {
      config,
      schema: {
        ...common,
        operationId: `show${name}`,
        summary: "Shows an authenticator, but for its secret",
        response: { 200: reply("With its version in the header `ETag`", shown), ...unknown },
      },
    },
    async (request, answer) =>
      sendShown(answer, await showAuthenticator<K>(services, callerOf(request), idOf(request))),
  );

  app.get(
    `/v1/${kind}`,
    {
      config,
      schema: {
        tags: [kind],
        operationId: `list${name}`,
        summary: "Lists the authenticators of this application",
        querystring: pageQuery(id),
        response: { 200: reply("One page, by the order of ids", pageOf(shown, "authenticators")) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query as { limit: number; cursor?: Id<K> };
      return pageReply(await listAuthenticators<K>(services, callerOf(request), kind, { after: cursor, limit }), told);
    },
  );

  app.delete(
    `/v1/${kind}/:id`,
    {
      config,
      schema: {
        ...common,
        operationId: `delete${name}`,
        summary: "Deletes an authenticator",
        headers: ifMatchHeader,
        response: deletion,
      },
    },
    async (request, answer) => {
      const versions = versionsOf(request.headers["if-match"]);
      const which = { kind, id: idOf(request) as ShownAuthenticator["id"], versions };
      await removeAuthenticator(services, peerOf(request), callerOf(request), which);
      answer.code(204);
      return null;
    },
  );

  app.post(
    `/v1/${kind}/:id/unlock`,
    {
      config,
      schema: {
        ...common,
        operationId: `unlock${name}`,
        summary: "Forgets the wrong tries of an authenticator",
        response: { 200: reply("As it is now", shown), ...unknown },
      },
    },
    async (request, answer) =>
      sendShown(answer, await unlockAuthenticator<K>(services, peerOf(request), callerOf(request), idOf(request))),
  );
}
