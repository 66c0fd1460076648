import { PosternError } from "@postern/shared/errors";
import { z } from "zod";
import type { ServiceContext } from "../../services/context.js";
import { introspectToken, type LiveToken } from "../../services/introspection.js";
import { DEFAULT_AUDIENCE } from "../../services/tokens.js";
import { type App, within } from "../app.js";
import { takeForms } from "../form.js";
import { problem } from "./authorize.js";
import { reply } from "./credentials.js";

/** Whether a person's token is good at this moment: for services (RFC 7662), and for a proxy in front of one. */
export async function addSessionRoutes(app: App, services: ServiceContext): Promise<void> {
  addSession(app, services);
  await within(app, (scope) => {
    takeForms(scope);
    addIntrospection(scope, services);
  });
}

const scope = { scope: "session" } as const;

const audience = z.string().min(1).max(256);
const seconds = z.number().int().describe("Seconds since 1970.");
const amr = z.array(z.string()).describe("How the person logged in (RFC 8176); without `otp`: by a recovery code.");
const subject = z.string().describe("The person's account, `acc_…`: never given to anyone else.");
const session = z.string().describe("The session, `ses_…`.");

/** RFC 7662 section 2.1. A parameter that is not known is ignored (RFC 6749 section 3.2). */
const introspectionRequest = z.object({
  token: z.string().describe("As `postern token` prints it."),
  token_type_hint: z.string().optional().describe("Taken, and of no use: there is one type."),
  audience: audience.optional().describe("What the service calls itself: a token for another one is not active."),
});

/** RFC 7662 section 2.2. */
const introspection = z.discriminatedUnion("active", [
  z.object({ active: z.literal(false) }),
  z.object({
    active: z.literal(true),
    token_type: z.literal("Bearer"),
    sub: subject,
    sid: session,
    iss: z.string(),
    aud: z.string().describe("For which service it is: check that this is yours."),
    iat: seconds,
    exp: seconds,
    auth_time: seconds,
    amr,
    username: z.string(),
    preferred_username: z.string(),
  }),
]);

function addIntrospection(app: App, services: ServiceContext): void {
  app.post(
    "/oauth2/introspect",
    {
      config: scope,
      schema: {
        operationId: "introspectToken",
        tags: ["sessions"],
        summary: "What a person's token is worth at this moment (RFC 7662)",
        description: "Whatever is no good token is answered alike, with `active` false and nothing else.",
        consumes: ["application/x-www-form-urlencoded"],
        // What stands in an address stands in logs.
        querystring: z.strictObject({}),
        body: introspectionRequest,
        response: { 200: reply("What it is worth", introspection), 415: problem("`media_type`: the body is no form") },
      },
    },
    async ({ body }) => introspectionOf(await introspectToken(services, body.token, body)),
  );
}

function introspectionOf(live: LiveToken | undefined): z.infer<typeof introspection> {
  if (live === undefined) return { active: false };
  return {
    active: true,
    token_type: "Bearer",
    sub: live.account,
    sid: live.id,
    iss: live.issuer,
    aud: live.audience,
    iat: live.issuedAt,
    exp: live.expiresAt,
    auth_time: live.authTime,
    amr: live.amr,
    username: live.identity,
    preferred_username: live.identity,
  };
}

const sessionReply = z.object({
  user: z.string().describe("The person's name: for showing."),
  subject,
  session,
  amr,
  authenticated_at: z.iso.datetime(),
  expires_at: z.iso.datetime().describe("When the token ends."),
});

const sessionHeaders = z.looseObject({
  "postern-token": z.string().optional().describe("The person's token, raw or behind `Bearer `."),
});

function addSession(app: App, services: ServiceContext): void {
  app.get(
    "/v1/session",
    {
      config: scope,
      schema: {
        operationId: "showSession",
        tags: ["sessions"],
        summary: "Who is logged in by a person's token: for nginx auth_request and its like",
        description:
          "Says it in the headers `Postern-User` (percent-encoded where it is not ASCII), `Postern-Subject`, `Postern-Session`, `Postern-Amr` (with commas), and in the body.",
        querystring: z.strictObject({
          audience: audience.default(DEFAULT_AUDIENCE).describe("What the service calls itself."),
        }),
        headers: sessionHeaders,
        response: {
          200: reply("Whose token it is", sessionReply),
          401: problem("`api_key_invalid`, or, of the person's token, `access_token_invalid`"),
        },
      },
    },
    async ({ headers, query }, answer) => {
      const live = await introspectToken(services, tokenIn(headers["postern-token"]), query);
      if (live === undefined) throw new PosternError("access_token_invalid");
      answer.headers({
        "postern-user": headerText(live.identity),
        "postern-subject": live.account,
        "postern-session": live.id,
        "postern-amr": live.amr.join(","),
      });
      return {
        user: live.identity,
        subject: live.account,
        session: live.id,
        amr: live.amr,
        authenticated_at: isoTime(live.authTime),
        expires_at: isoTime(live.expiresAt),
      };
    },
  );
}

/** A proxy hands on what a browser or program sent: a cookie, or an `Authorization` with its scheme. */
function tokenIn(header: string | undefined): string {
  return (header ?? "").replace(/^bearer +/i, "");
}

/** Visible ASCII but for the percent sign as it is: no name has one, and so there is one way back. */
function headerText(text: string): string {
  return text.replaceAll(/[^!-$&-~]+/g, encodeURIComponent);
}

const isoTime = (time: number) => new Date(time * 1000).toISOString();
