import { idPattern } from "@postern/shared/ids";
import { qrMatrix } from "@postern/shared/qr/matrix";
import { qrPng } from "@postern/shared/qr/png";
import { qrSvg } from "@postern/shared/qr/svg";
import type { FastifyRequest } from "fastify";
import type { z } from "zod";
import { resyncAuthenticator } from "../../services/applications/authenticator-verify.js";
import {
  type AuthenticatorWish,
  type CreatedAuthenticator,
  createAuthenticator,
  parseImportedSecret,
} from "../../services/applications/authenticators.js";
import type { IdempotentRequest } from "../../services/applications/idempotency.js";
import type { ShownOf } from "../../services/applications/shown-authenticator.js";
import { parseSubject } from "../../services/applications/subject.js";
import type { ServiceContext } from "../../services/context.js";
import type { App } from "../app.js";
import { peerOf } from "../peer.js";
import { addCare } from "./authenticator-care.js";
import {
  hotpBody,
  hotpCreated,
  hotpShown,
  resyncBody,
  toldHotp,
  toldTotp,
  totpBody,
  totpCreated,
  totpShown,
} from "./authenticator-forms.js";
import { callerOf, problem } from "./authorize.js";
import {
  CREATED_HEADERS,
  idempotencyHeader,
  noQuery,
  paramsOf,
  reply,
  requestOf,
  sendCreated,
  sendVerdict,
  unknown,
  verdictSchema,
} from "./credentials.js";

/** `/v1/totp` and `/v1/hotp`: authenticators, one of a kind for each subject. */
export function addAuthenticatorRoutes(app: App, services: ServiceContext): void {
  addTotpCreation(app, services);
  addHotpCreation(app, services);
  addResync(app, services);
  addCare(app, services, { kind: "totp", name: "Totp", shown: totpShown, told: toldTotp });
  addCare(app, services, { kind: "hotp", name: "Hotp", shown: hotpShown, told: toldHotp });
}

const createdReplies = {
  409: problem("`credential_exists`: this subject has one already"),
  422: problem("`invalid_input`, `subject_invalid`, `secret_invalid`, `idempotency_mismatch`"),
};

const creation = (kind: "totp" | "hotp") => ({
  tags: [kind],
  description: "Secret, URI and QR code are shown this one time. There is one for each subject.",
  headers: idempotencyHeader,
  querystring: noQuery,
});

function addTotpCreation(app: App, services: ServiceContext): void {
  app.post(
    "/v1/totp",
    {
      config: { scope: "totp" },
      schema: {
        ...creation("totp"),
        operationId: "createTotp",
        summary: "Makes an authenticator that goes by time (RFC 6238)",
        body: totpBody,
        response: { 201: reply(`It is made; ${CREATED_HEADERS}`, totpCreated), ...createdReplies },
      },
    },
    async (request, answer) => {
      const { period, ...body } = request.body;
      const wish = { kind: "totp", period, ...factsOf(body) } as const;
      const { created, repeated } = await create(
        services,
        request,
        wish,
        requestOf(request.headers, "totp", request.body),
      );
      const said = { ...toldTotp(created.shown as ShownOf<"totp">), ...shownOnce(created) };
      return sendCreated(answer, "/v1/totp", { body: said, repeated });
    },
  );
}

function addHotpCreation(app: App, services: ServiceContext): void {
  app.post(
    "/v1/hotp",
    {
      config: { scope: "hotp" },
      schema: {
        ...creation("hotp"),
        operationId: "createHotp",
        summary: "Makes an authenticator that goes by a counter (RFC 4226)",
        body: hotpBody,
        response: { 201: reply(`It is made; ${CREATED_HEADERS}`, hotpCreated), ...createdReplies },
      },
    },
    async (request, answer) => {
      const { counter, look_ahead: lookAhead, ...body } = request.body;
      const wish = { kind: "hotp", counter, lookAhead, ...factsOf(body) } as const;
      const { created, repeated } = await create(
        services,
        request,
        wish,
        requestOf(request.headers, "hotp", request.body),
      );
      const said = { ...toldHotp(created.shown as ShownOf<"hotp">), ...shownOnce(created) };
      return sendCreated(answer, "/v1/hotp", { body: said, repeated });
    },
  );
}

type Body = Omit<z.output<typeof totpBody>, "period">;

function factsOf({ subject, secret, ...body }: Body) {
  return {
    ...body,
    subject: parseSubject(subject),
    ...(secret !== undefined && { secret: parseImportedSecret(secret) }),
  };
}

/** An imported secret is wiped once it is sealed, or refused. */
async function create(
  services: ServiceContext,
  request: FastifyRequest,
  wish: AuthenticatorWish,
  idempotent: IdempotentRequest | undefined,
): Promise<{ created: CreatedAuthenticator; repeated: boolean }> {
  try {
    const created = await createAuthenticator(services, peerOf(request), callerOf(request), wish, idempotent);
    return { created, repeated: created.once === undefined };
  } finally {
    wish.secret?.fill(0);
  }
}

function shownOnce({ once }: CreatedAuthenticator) {
  if (once === undefined) return {};
  const { secret, uri } = once;
  const qr = qrMatrix(uri);
  return { secret, uri, qr_svg: qrSvg(qr), qr_png: qrPng(qr).toString("base64") };
}

function addResync(app: App, services: ServiceContext): void {
  app.post(
    "/v1/hotp/:id/resync",
    {
      config: { scope: "hotp" },
      schema: {
        tags: ["hotp"],
        operationId: "resyncHotp",
        summary: "Finds a device that has run ahead, by two codes in a row (RFC 4226 section 7.4)",
        description: "Both are used up by it. A wrong pair counts as a wrong code.",
        params: paramsOf(idPattern("hotp"), "hotp"),
        querystring: noQuery,
        body: resyncBody,
        response: {
          200: reply(
            "What the two codes are worth; with a header `Retry-After` where it was throttled for a while",
            verdictSchema,
          ),
          ...unknown,
          422: problem("`invalid_input`, `code_malformed`: nothing was counted"),
        },
      },
    },
    async (request, answer) => {
      const [first = "", second = ""] = request.body.codes;
      const typed = { id: request.params.id, codes: [first, second] as const };
      return sendVerdict(answer, await resyncAuthenticator(services, peerOf(request), callerOf(request), typed));
    },
  );
}
