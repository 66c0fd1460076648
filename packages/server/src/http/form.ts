import { PosternError } from "@postern/shared/errors";
import type { App } from "./app.js";
import { isOfType } from "./media-type.js";

const FORM = "application/x-www-form-urlencoded";

/** The bodies of OAuth's endpoints: in a scope of `within` it is the one type that is taken, and JSON is not. */
export function takeForms(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(FORM, { parseAs: "buffer" }, (request, body, done) => {
    if (!isOfType(request.headers["content-type"], FORM)) return done(new PosternError("media_type"), undefined);
    try {
      done(null, parseForm(body as Buffer));
    } catch (thrown) {
      done(thrown as Error, undefined);
    }
  });
}

/**
 * The parameters of a form of which no two parsers can disagree. One without a value is left out, and one that comes
 * twice is refused (RFC 6749 section 3.2), as is what is not percent-encoded UTF-8 (appendix B).
 * @throws PosternError `bad_request`
 */
export function parseForm(body: Buffer): Readonly<Record<string, string>> {
  const text = body.toString("latin1");
  if (!/^[!-~]*$/.test(text)) throw new PosternError("bad_request", { detail: "not ASCII" });
  const seen = new Map<string, string>();
  for (const pair of text.split("&").filter((part) => part !== "")) {
    const at = pair.indexOf("=");
    const name = decode(at === -1 ? pair : pair.slice(0, at));
    if (seen.has(name)) throw new PosternError("bad_request", { detail: "a parameter twice" });
    seen.set(name, at === -1 ? "" : decode(pair.slice(at + 1)));
  }
  return Object.fromEntries([...seen].filter(([, value]) => value !== ""));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (cause) {
    throw new PosternError("bad_request", { detail: "not percent-encoded UTF-8", cause });
  }
}
