import { PosternError } from "@postern/shared/errors";
import { parseStrictJson } from "@postern/shared/frames/strict-json";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from "fastify";
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { type DoorOptions, guardDoor, guardPipelines } from "./door.js";
import { isOfType } from "./media-type.js";
import { forwardedAddress } from "./peer.js";
import { early } from "./problems.js";

/** What routes are added to: their schemas are zod's, and say what a handler gets and gives. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** Adds routes in a scope of their own: hooks that are added there are for them alone. */
export async function within(app: App, add: (scope: App) => Promise<void> | void): Promise<void> {
  await app.register(async (scope) => add(scope.withTypeProvider<ZodTypeProvider>()));
}

/** No request needs more. */
const BODY_LIMIT = 64 * 1024;

const HANDSHAKE_MS = 5_000;

/** Milliseconds for a request to come, headers and body; and how often it is looked at which are late. */
export interface Patience {
  readonly requestMs: number;
  readonly checkMs: number;
}
const PATIENCE: Patience = { requestMs: 10_000, checkMs: 5_000 };

/** An HTTPS server without a route, and what it shows. `credentials` in PEM. */
export function createApp(
  credentials: Credentials,
  door: DoorOptions = {},
  { requestMs, checkMs }: Patience = PATIENCE,
): { app: App; setCredentials(renewed: Credentials): void } {
  const { trusted } = door;
  const app = Fastify({
    https: {
      ...credentials,
      minVersion: "TLSv1.2",
      handshakeTimeout: HANDSHAKE_MS,
      // Where its limit for headers is the longer one, as by default, Node takes that for the whole request.
      headersTimeout: requestMs,
      connectionsCheckingInterval: checkMs,
    },
    bodyLimit: BODY_LIMIT,
    requestTimeout: requestMs,
    connectionTimeout: 30_000,
    keepAliveTimeout: 5_000,
    forceCloseConnections: "idle",
    trustProxy: trusted === undefined ? false : (address: string) => trusted(forwardedAddress(address)),
    ...early,
  });
  const { server } = app;
  guardDoor(server, door);
  guardPipelines(server);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  takeStrictJson(app as unknown as App);
  app.addHook("onRequest", async ({ headers }) => {
    // Clients name a type for no body at all, as axios does: nothing of it is read.
    if (headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0) {
      delete headers["content-type"];
    }
  });
  app.addHook("onSend", async (_request, reply) => {
    reply.header("x-content-type-options", "nosniff").header("referrer-policy", "no-referrer");
    if (!reply.hasHeader("content-security-policy")) reply.header("content-security-policy", NOTHING);
  });
  return { app: app as unknown as App, setCredentials: (renewed) => server.setSecureContext(renewed) };
}

export interface Credentials {
  readonly key: string;
  readonly cert: string;
}

/** What is no page loads nothing, and stands in no frame. */
const NOTHING = "default-src 'none'; frame-ancestors 'none'";

const JSON_TYPE = "application/json";

/** The one parser of bodies: JSON of which no two parsers can disagree, by its one name. */
function takeStrictJson(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(JSON_TYPE, { parseAs: "buffer" }, (request, body, done) => {
    if (!isOfType(request.headers["content-type"], JSON_TYPE)) return done(new PosternError("media_type"), undefined);
    if (body.length === 0) return done(null, undefined);
    try {
      done(null, parseStrictJson(body as Buffer, { lines: true }));
    } catch (thrown) {
      done(thrown as Error, undefined);
    }
  });
}
