import { PosternError } from "@postern/shared/errors";
import { resolveId } from "@postern/shared/terminal/abbreviated-ids";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { listApiKeys, revokeApiKey } from "../../services/applications/key-care.js";
import { withAudit } from "../audit.js";
import { type ConfirmOptions, confirm, requireConfirmation } from "../people/confirm.js";
import type { StoreOptions } from "../unseal.js";
import { keyFacts } from "./list.js";

/**
 * Ends a key at once, after asking, or with `--yes`.
 * @throws PosternError `input_needed` without a terminal and without `--yes`, before the store is opened; `cancelled`;
 *   `id_unknown`; `usage` when several ids begin so
 */
export async function apiKeyRevokeCommand(
  output: Output,
  typed: string,
  options: StoreOptions & ConfirmOptions,
): Promise<void> {
  requireConfirmation(options);
  await withAudit(output, options, async (context) => {
    const kept = await listApiKeys(context);
    const id = resolveId(
      "apiKey",
      kept.map((each) => each.id),
      typed,
    );
    const known = kept.find((key) => key.id === id);
    if (known === undefined) throw new PosternError("id_unknown");
    const { name, application } = known;
    const consequences = [
      say`${id}  ${name}`,
      say`is refused from then on, for good. What its application made stays,`,
      say`and can be used with another key: posternd apikey create --application`,
      say`  ${application}`,
    ];
    await confirm(output, options, { consequences, question: "Revoke this key?" });
    const { key, changed } = await revokeApiKey(context, id);
    output.result(
      { ...keyFacts(key, context.now()), changed },
      changed ? say`The key ${id} is revoked.` : say`The key ${id} was revoked already.`,
      say`What ${application} made stays.`,
    );
  });
}
