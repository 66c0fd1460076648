import { type ErrorCode, errors, PosternError } from "@postern/shared/errors";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyServerOptions } from "fastify";
import { z } from "zod";
import type { Log } from "../log.js";
import { isOutage } from "../peer-error.js";

/** What every refusal says (RFC 9457): `code` is stable, of the one table of errors; texts are for people. */
export const problemSchema = z
  .object({
    title: z.string().describe("What is wrong, for a person."),
    status: z.number().int().describe("The HTTP status."),
    code: z.string().describe("What is wrong, for a program: stable over releases."),
    hint: z.string().optional().describe("What may help."),
    detail: z.string().optional(),
    retry_after: z.number().int().optional().describe("Seconds until another try may succeed."),
    errors: z
      .array(z.strictObject({ pointer: z.string().describe("RFC 6901."), message: z.string() }))
      .optional()
      .describe("Where the request does not have its form. No value is repeated."),
  })
  .meta({ id: "Problem", description: "RFC 9457" });
export type Problem = z.infer<typeof problemSchema>;

export const PROBLEM_TYPE = "application/problem+json";

/** Every refusal of this listener is a problem, whoever refuses: a route, a rule, or the parser of HTTP itself. */
export function addProblems(app: Pick<FastifyInstance, "setNotFoundHandler" | "setErrorHandler">, log: Log): void {
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, problemOf("not_found")));
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const problem = error instanceof PosternError ? ofPostern(error) : ofFastify(error);
    if (problem.code === "internal") log.error({ err: error }, "an HTTP request failed");
    return sendProblem(reply, problem);
  });
}

/** What Node's parser of HTTP gives up with. */
const byParserFault: ReadonlyMap<string, ErrorCode> = new Map([
  ["HPE_HEADER_OVERFLOW", "line_too_long"],
  ["ERR_HTTP_REQUEST_TIMEOUT", "step_timeout"],
]);

/** For what is refused before a route is looked for: Fastify asks for it when it is made. */
export const early: Pick<FastifyServerOptions, "frameworkErrors" | "clientErrorHandler"> = {
  frameworkErrors: (error, _request, reply) => void sendProblem(reply, ofFastify(error)),
  clientErrorHandler: ({ code }, socket) => {
    // Who is not in the middle of a request over a connection that stands cannot be told anything.
    if (!/^(?:HPE_|ERR_HTTP_)/.test(code ?? "") || !socket.writable) return void socket.destroy();
    const { status, ...problem } = problemOf(byParserFault.get(code) ?? "bad_request");
    const body = JSON.stringify({ ...problem, status });
    const headers = [`content-type: ${PROBLEM_TYPE}`, `content-length: ${body.length}`, "connection: close"];
    socket.end(`HTTP/1.1 ${status} Refused\r\n${headers.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
  },
};

function sendProblem(reply: FastifyReply, problem: Problem) {
  if (problem.retry_after !== undefined) reply.header("retry-after", problem.retry_after);
  // RFC 6750 section 3: what to bring instead.
  if (problem.status === 401) reply.header("www-authenticate", 'Bearer realm="postern"');
  return reply
    .code(problem.status)
    .serializer(JSON.stringify)
    .type(PROBLEM_TYPE)
    .header("cache-control", "no-store")
    .send(problem);
}

/** What helps here, where the table speaks of the programs of the wire. */
const hints: { readonly [code in ErrorCode]?: { readonly hint: string } } = {
  bad_request: {
    hint: "a body is one JSON object without a member twice, or, where it is a form, one without a parameter twice",
  },
};

export function problemOf(code: ErrorCode, more: Partial<Problem> = {}): Problem {
  const { http, message, hint }: { http: number; message: string; hint?: string } = { ...errors[code], ...hints[code] };
  return { title: message, status: http, code, ...(hint !== undefined && { hint }), ...more };
}

/** What a 500 is about stands in the log, not in the reply. */
function ofPostern(error: PosternError): Problem {
  const { code, retryAfter } = error;
  const { http } = errors[code];
  if (isOutage(error)) return problemOf("unavailable");
  if (http >= 500 && !passedOn.has(code)) return problemOf("internal", { status: http });
  return problemOf(code, retryAfter === undefined ? {} : { retry_after: retryAfter });
}

/** Failures of which the caller should know that it is this one, and may try again. */
const passedOn: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["shutting_down", "busy", "mail_failed"]);

/** What Fastify refuses by itself: the form of a request, its size, its type. */
function ofFastify({ validation, validationContext, statusCode = 500 }: FastifyError): Problem {
  if (validation !== undefined) return ofValidation(validation, validationContext ?? "");
  const code = byStatus.get(statusCode) ?? (statusCode < 500 ? "bad_request" : "internal");
  return problemOf(code, code === "bad_request" ? { status: statusCode } : {});
}

const byStatus: ReadonlyMap<number, ErrorCode> = new Map([
  [404, "not_found"],
  [408, "step_timeout"],
  [413, "line_too_long"],
  // A part of the path that is longer than any id.
  [414, "not_found"],
  [415, "media_type"],
]);

type Fault = NonNullable<FastifyError["validation"]>[number];

function ofValidation(faults: readonly Fault[], context: string): Problem {
  // An id that cannot be one names nothing.
  if (context === "params") return problemOf("not_found");
  const where = context === "body" ? "" : `/${context}`;
  return problemOf("invalid_input", {
    errors: faults
      .slice(0, MAX_FAULTS)
      .map((fault) => ({ pointer: pointerOf(where, fault), message: messageOf(fault) })),
  });
}

const MAX_FAULTS = 10;

const pointerOf = (where: string, { instancePath }: Fault) => `${where}${instancePath === "/" ? "" : instancePath}`;

/** The names of members that are not known are the caller's own text. */
function messageOf({ keyword, message = "it does not have its form" }: Fault): string {
  return keyword === "unrecognized_keys" ? "it has a member that is not known" : message;
}
