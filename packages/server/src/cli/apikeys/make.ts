import { resolveId } from "@postern/shared/terminal/abbreviated-ids";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import { createApiKey, type NewApiKey } from "../../services/applications/api-keys.js";
import { listApiKeys, rotateApiKey } from "../../services/applications/key-care.js";
import { withAudit } from "../audit.js";
import { parseApplication } from "../audit-options.js";
import { shownTime } from "../shown.js";
import type { StoreOptions } from "../unseal.js";
import { keyFacts } from "./list.js";
import { parseKeyLife, parseKeyName, parseOverlap, parseScopes } from "./options.js";

export interface ApiKeyCreateOptions extends StoreOptions {
  readonly name: string;
  readonly scope: string;
  readonly expires: string;
  readonly application?: string;
}

/** Makes a key. It alone goes to stdout: it can be piped to where it is wanted. @throws PosternError `application_unknown` */
export async function apiKeyCreateCommand(output: Output, options: ApiKeyCreateOptions): Promise<void> {
  const { name, scope, expires, application } = options;
  const wish = {
    name: parseKeyName(name),
    scopes: parseScopes(scope),
    lifetime: parseKeyLife(expires),
    application: application === undefined ? undefined : parseApplication("--application", application),
  };
  await withAudit(output, options, async (context) => {
    const made = await createApiKey(context, wish);
    const whose = wish.application === undefined ? "a new application" : "the application";
    output.note(say`An API key for ${whose}, ${made.key.application},`);
    print(output, made, context.now());
  });
}

export interface ApiKeyRotateOptions extends StoreOptions {
  readonly overlap: string;
  readonly expires?: string;
}

/** @throws PosternError `id_unknown`, `api_key_ended`; `usage` when several ids begin so */
export async function apiKeyRotateCommand(output: Output, typed: string, options: ApiKeyRotateOptions): Promise<void> {
  const { expires } = options;
  const wish = {
    overlap: parseOverlap(options.overlap),
    ...(expires !== undefined && { lifetime: parseKeyLife(expires) }),
  };
  await withAudit(output, options, async (context) => {
    const kept = await listApiKeys(context);
    const ids = kept.map((key) => key.id);
    const id = resolveId("apiKey", ids, typed);
    const { old, ...made } = await rotateApiKey(context, id, wish);
    output.note(
      say`The key ${id}`,
      wish.overlap === 0 ? say`has ended.` : say`ends at ${shownTime(old.expiresAt)} UTC.`,
      say`The next one of ${made.key.application},`,
    );
    print(output, made, context.now(), { replaces: id });
  });
}

function print(output: Output, { key, text }: NewApiKey, now: number, more: { readonly replaces?: string } = {}): void {
  output.note(say`${untilWhen(key.expiresAt)}. It is shown this one time.`);
  output.result({ ...keyFacts(key, now), ...more, key: text }, say`${text}`);
  output.note(say`The application sends it with each request: ${bold("Authorization: Bearer KEY")}`);
}

function untilWhen(expiresAt: number | undefined): TerminalText {
  return expiresAt === undefined ? say`good until it is revoked` : say`good until ${shownTime(expiresAt)} UTC`;
}
