import type { App } from "./http/app.js";
import { type HttpListener, type HttpOptions, listenHttp } from "./http/listener.js";
import type { PageLanguages } from "./page-texts.js";
import { DEFAULT_REPLY_TO_HOSTS, parseReplyToHosts, type ReplyToHosts } from "./services/challenges/reply-to.js";
import { Languages } from "./web/languages.js";
import { addPages } from "./web/routes.js";

/**
 * The HTTPS port, with the API and the pages that people open. It is a file of its own because it takes a while to load:
 * a server without that port does not wait for it.
 */
export interface HttpsPortOptions extends Omit<HttpOptions, "pages" | "locales" | "replyToHosts"> {
  /** Languages of pages beside those that come with the server, or in their place. */
  readonly pageLanguages?: PageLanguages | undefined;
  /** Where pages of challenges may send people. */
  readonly replyToHosts?: ReplyToHosts | undefined;
}

/** @throws PosternError `address_in_use`, `address_unavailable` */
export function openHttpsPort({ pageLanguages, replyToHosts, ...options }: HttpsPortOptions): Promise<HttpListener> {
  const { services } = options;
  const languages = new Languages(pageLanguages);
  return listenHttp({
    ...options,
    locales: languages.tags,
    replyToHosts: replyToHosts ?? parseReplyToHosts(DEFAULT_REPLY_TO_HOSTS),
    pages: (app: App) => addPages(app, { services, languages }),
  });
}
