import { randomBytes } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { assessPassword } from "@postern/shared/password-policy";
import { askNewPassword, isSamePassword } from "@postern/shared/terminal/new-password";
import type { Output } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import { say } from "@postern/shared/terminal/terminal-text";
import { audit } from "../../services/context.js";
import { readSettings } from "../../services/store.js";
import { adminPasswordContext, type StoreOptions, secretOfFile, standardInput, unsealKeeping } from "../unseal.js";

export interface ChangeOptions extends StoreOptions {
  readonly newAdminPasswordFile?: string;
}

/**
 * Wraps the root key under another password, once the old one has opened the store. With `-` for both, the old one is
 * the first line of stdin and the new one the second.
 * @throws PosternError as `unsealStore`; `password_unchanged`, and what the policy refuses
 */
export async function adminPasswordChangeCommand(output: Output, options: ChangeOptions): Promise<void> {
  const stdin = standardInput();
  const { store, password } = await unsealKeeping(output, { ...options, stdin });
  try {
    const { node } = await readSettings(store.barrier);
    const chosen = await newPassword(output, { ...options, stdin }, password.toString("utf8"));
    try {
      const context = { barrier: store.barrier, node, now: Date.now, random: randomBytes };
      await store.barrier.changePassword(password, chosen, (tx) =>
        audit(context, tx, undefined, { event: "admin-password.change", outcome: "done" }),
      );
    } finally {
      chosen.fill(0);
    }
  } finally {
    password.fill(0);
    await store.close();
  }
  output.result({ changed: true }, say`The admin password is changed. Servers that run go on.`);
  output.note(
    say`Write it where they are started from: files, credentials.`,
    say`Older copies of the store, backups among them, still open with the old one,`,
    say`and give away the root key. When somebody else may know the old one and`,
    say`have a copy, run: posternd rekey --new-root`,
  );
}

async function newPassword(
  output: Output,
  { newAdminPasswordFile, input, stdin }: ChangeOptions & { readonly stdin: ReturnType<typeof standardInput> },
  old: string,
): Promise<Buffer> {
  if (newAdminPasswordFile === undefined) {
    const question = { message: "New admin password", context: adminPasswordContext, old };
    return Buffer.from(await askNewPassword(createPrompter({ noInput: !input }), output, question), "utf8");
  }
  const chosen = await secretOfFile(output, newAdminPasswordFile, stdin);
  if (isSamePassword(old, chosen)) throw new PosternError("password_unchanged");
  const verdict = await assessPassword(chosen, { context: adminPasswordContext });
  if (!verdict.ok) throw new PosternError(verdict.code);
  return Buffer.from(chosen, "utf8");
}
