import type { FastifyReply, FastifyRequest } from "fastify";
import { type App, within } from "../http/app.js";
import { takeForms } from "../http/form.js";
import { peerOf } from "../http/peer.js";
import { answerChallenge, viewPage } from "../services/challenges/answer.js";
import type { ServiceContext } from "../services/context.js";
import { PAGE_POLICY } from "./assets.js";
import type { Html } from "./html.js";
import type { Languages } from "./languages.js";
import { gonePage, indexPage, questionPage } from "./pages.js";

export interface WebParts {
  readonly services: ServiceContext;
  readonly languages: Languages;
}

/**
 * What people open from a chat: `/c/<page id>`, and the root. To look changes nothing, for programs that preview links
 * look too; what is sent counts once, and leads on to the reply-to link, right or wrong.
 */
export async function addPages(app: App, parts: WebParts): Promise<void> {
  await within(app, (pages) => {
    takeForms(pages);
    pages.addHook("onSend", async (_request, reply) => {
      reply
        .header("cache-control", "no-store")
        .header("content-security-policy", PAGE_POLICY)
        .header("cross-origin-opener-policy", "same-origin")
        .header("x-robots-tag", "noindex");
    });
    addRoutes(pages, parts);
  });
}

const hidden = { schema: { hide: true } };

function addRoutes(app: App, { services, languages }: WebParts): void {
  const languageFor = ({ headers }: FastifyRequest, tag?: string) => languages.choose(tag, headers["accept-language"]);

  app.get("/", hidden, async (request, reply) => send(reply, 200, indexPage(languageFor(request))));

  // Nothing here is for a program that collects what it finds.
  app.get("/robots.txt", hidden, async (_request, reply) =>
    reply.type("text/plain; charset=utf-8").send("User-agent: *\nDisallow: /\n"),
  );

  app.get<{ Params: { page: string } }>("/c/:page", hidden, async (request, reply) =>
    ask(request, reply, request.params.page, false),
  );

  app.post<{ Params: { page: string } }>("/c/:page", hidden, async (request, reply) => {
    const { page: pageId } = request.params;
    // Whether it is there is decided where the answer is judged: who comes too late is in the log.
    const view = await viewPage(services, pageId);
    const { tag: language } = languageFor(request, view?.locale);
    const answer = { pageId, choice: choiceIn(request.body), language };
    const answered = await answerChallenge(services, peerOf(request), answer);
    switch (answered.kind) {
      case "answered":
        return reply.redirect(answered.replyTo, 303);
      case "unanswered":
        return ask(request, reply, pageId, true);
      case "gone":
        return gone(request, reply);
    }
  });

  async function ask(request: FastifyRequest, reply: FastifyReply, pageId: string, unanswered: boolean) {
    const view = await viewPage(services, pageId);
    if (view === undefined) return gone(request, reply);
    const question = { view, language: languageFor(request, view.locale), now: services.now(), unanswered };
    return send(reply, unanswered ? 422 : 200, questionPage(question));
  }

  const gone = (request: FastifyRequest, reply: FastifyReply) => send(reply, 404, gonePage(languageFor(request)));
}

function send(reply: FastifyReply, status: number, page: Html): FastifyReply {
  return reply.code(status).type("text/html; charset=utf-8").send(page.toString());
}

/** The place of an option, as the form sends it; what is no place is no choice. */
function choiceIn(body: unknown): number {
  const { choice } = (body ?? {}) as Record<string, unknown>;
  return typeof choice === "string" && /^[0-9]$/.test(choice) ? Number(choice) : -1;
}
