import { idPattern } from "@postern/shared/ids";
import { deleteCode, listCodes, showCode, unlockCode } from "../../services/applications/one-time-code-care.js";
import { verifyCode } from "../../services/applications/one-time-code-verify.js";
import { issueCode } from "../../services/applications/one-time-codes.js";
import { parseSubject } from "../../services/applications/subject.js";
import type { App } from "../app.js";
import { peerOf } from "../peer.js";
import { callerOf, problem } from "./authorize.js";
import {
  CREATED_HEADERS,
  deletion,
  etag,
  idempotencyHeader,
  ifMatchHeader,
  judging,
  noQuery,
  pageOf,
  pageQuery,
  pageReply,
  paramsOf,
  reply,
  requestOf,
  sendCreated,
  sendVerdict,
  unknown,
  versionsOf,
} from "./credentials.js";
import { codeBody, issueBody, issuedSchema, shownSchema, told } from "./otp-forms.js";
import type { ApiParts } from "./parts.js";

const id = idPattern("otp");
const params = paramsOf(id, "otp");
const config = { scope: "otp" } as const;
const common = { tags: ["otp"] };

/** `/v1/otp`: random one-time codes. */
export function addOtpRoutes(app: App, { services, deliver }: ApiParts): void {
  app.post(
    "/v1/otp",
    {
      config,
      schema: {
        ...common,
        operationId: "issueOneTimeCode",
        summary: "Issues a one-time code for a subject",
        description:
          "It takes the place of the subject's last one. Limits of guesses belong to the subject, and go on.",
        headers: idempotencyHeader,
        querystring: noQuery,
        body: issueBody,
        response: {
          201: reply(`It is issued; ${CREATED_HEADERS}`, issuedSchema),
          422: problem("`invalid_input`, `subject_invalid`, `mail_unavailable`, `idempotency_mismatch`"),
          429: problem("`rate_limited`: this subject, or this mailbox, has had its mails of this hour"),
          502: problem("`mail_failed`: the code is withdrawn; the same request may be tried again"),
        },
      },
    },
    async (request, answer) => {
      const { body } = request;
      const { delivery } = body;
      const wish = {
        subject: parseSubject(body.subject),
        digits: body.digits,
        lifetime: body.expires_in * 1000,
        attempts: body.attempts,
        ...(delivery && { mail: { to: delivery.mail, purpose: delivery.purpose } }),
      };
      const means = { deliver, request: requestOf(request.headers, "otp", body) };
      const { shown, code, repeated } = await issueCode(services, peerOf(request), callerOf(request), wish, means);
      const said = { ...told(shown), ...(code !== undefined && { code }) };
      return sendCreated(answer, "/v1/otp", { body: said, repeated });
    },
  );

  app.post(
    "/v1/otp/:id/verify",
    {
      config,
      schema: {
        ...common,
        operationId: "verifyOneTimeCode",
        ...judging,
        params,
        querystring: noQuery,
        body: codeBody,
      },
    },
    async (request, answer) => {
      const typed = { id: request.params.id, code: request.body.code };
      return sendVerdict(answer, await verifyCode(services, peerOf(request), callerOf(request), typed));
    },
  );

  app.get(
    "/v1/otp/:id",
    {
      config,
      schema: {
        ...common,
        operationId: "showOneTimeCode",
        summary: "Shows a one-time code, but for the code itself",
        params,
        querystring: noQuery,
        response: { 200: reply("With its version in the header `ETag`", shownSchema), ...unknown },
      },
    },
    async (request, answer) => {
      const shown = await showCode(services, callerOf(request), request.params.id);
      answer.header("etag", etag(shown));
      return told(shown);
    },
  );

  app.get(
    "/v1/otp",
    {
      config,
      schema: {
        ...common,
        operationId: "listOneTimeCodes",
        summary: "Lists the one-time codes of this application, used and expired ones too",
        querystring: pageQuery(id),
        response: { 200: reply("One page, by the order of ids", pageOf(shownSchema, "codes")) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      return pageReply(await listCodes(services, callerOf(request), { after: cursor, limit }), told);
    },
  );

  app.delete(
    "/v1/otp/:id",
    {
      config,
      schema: {
        ...common,
        operationId: "deleteOneTimeCode",
        summary: "Deletes a one-time code",
        description: "What was guessed at it counts on for a day, for the next one too.",
        params,
        headers: ifMatchHeader,
        querystring: noQuery,
        response: deletion,
      },
    },
    async (request, answer) => {
      const which = { id: request.params.id, versions: versionsOf(request.headers["if-match"]) };
      await deleteCode(services, peerOf(request), callerOf(request), which);
      answer.code(204);
      return null;
    },
  );

  app.post(
    "/v1/otp/:id/unlock",
    {
      config,
      schema: {
        ...common,
        operationId: "unlockOneTimeCode",
        summary: "Forgets the wrong tries of a subject",
        description: "Opens what is locked or closed by wrong tries. Attempts that the code has used up stay so.",
        params,
        querystring: noQuery,
        response: { 200: reply("As it is now", shownSchema), ...unknown },
      },
    },
    async (request, answer) => {
      const shown = await unlockCode(services, peerOf(request), callerOf(request), request.params.id);
      answer.header("etag", etag(shown));
      return told(shown);
    },
  );
}
