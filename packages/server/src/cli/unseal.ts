import { PosternError } from "@postern/shared/errors";
import { assessPassword } from "@postern/shared/password-policy";
import { askNewPassword } from "@postern/shared/terminal/new-password";
import type { Output } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import { readSecretFile } from "@postern/shared/terminal/secret-file";
import { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { say } from "@postern/shared/terminal/terminal-text";
import { createStore, findStore, type OpenStore, type SealedStore, type StoreLocation } from "../store.js";
import { dataDirectory } from "./data-directory.js";

/** The options of every command that opens the store. */
export interface StoreOptions {
  readonly data?: string;
  readonly adminPasswordFile?: string;
  readonly input: boolean;
}

/** Wrong passwords that a person may type before the program gives up. */
const PASSWORD_TRIES = 3;

export function locationOf(output: Output, { data }: StoreOptions): StoreLocation {
  return { directory: dataDirectory(data), warn: (warning) => output.warn(say`${warning}`) };
}

/**
 * Opens the store with the admin password of `--admin-password-file`, or asks for it up to three times.
 * @throws PosternError `store_missing`, `admin_password_wrong`, `input_needed`, `store_damaged` and its kin
 */
export async function unsealStore(output: Output, options: StoreOptions): Promise<OpenStore> {
  const location = locationOf(output, options);
  const sealed = await findStore(location);
  if (sealed === undefined) throw new PosternError("store_missing", { detail: location.directory });
  return unsealSealed(output, options, sealed);
}

/** The same for a store that was found. It is closed when it does not open. */
export async function unsealSealed(output: Output, options: StoreOptions, sealed: SealedStore): Promise<OpenStore> {
  try {
    const given = await passwordOfFile(output, options);
    if (given !== undefined) return await wiping(given, (password) => sealed.unseal(password));
    const prompter = createPrompter({ noInput: !options.input });
    for (let tries = 1; ; tries++) {
      const password = await prompter.password("Admin password");
      try {
        return await wiping(Buffer.from(password, "utf8"), (typed) => sealed.unseal(typed));
      } catch (thrown) {
        const wrong = thrown instanceof PosternError && thrown.code === "admin_password_wrong";
        if (!wrong || tries === PASSWORD_TRIES) throw thrown;
        output.note(say`That is not the admin password of this store.`);
      }
    }
  } catch (thrown) {
    await sealed.close();
    throw thrown;
  }
}

/**
 * Opens the store, or makes it where there is none: with `--init`, or when a person at a terminal chooses a password.
 * @throws PosternError as `unsealStore`; `password_too_short`, `password_too_weak`, `password_too_long`
 */
export async function unsealOrCreateStore(
  output: Output,
  options: StoreOptions & { readonly init?: boolean },
): Promise<OpenStore> {
  const location = locationOf(output, options);
  const sealed = await findStore(location);
  if (sealed !== undefined) return unsealSealed(output, options, sealed);
  const interactive = options.input && process.stdin.isTTY === true && process.stderr.isTTY === true;
  if (options.init !== true && (!interactive || options.adminPasswordFile !== undefined)) {
    throw new PosternError("store_missing", { detail: location.directory });
  }
  const password = await newAdminPassword(output, options, location);
  return wiping(password, (chosen) => createStore(location, chosen));
}

/** The string that a prompt or a file gave cannot be wiped; this copy, which lives as long as the stretching, can. */
async function wiping<T>(password: Buffer, use: (password: Buffer) => Promise<T>): Promise<T> {
  try {
    return await use(password);
  } finally {
    password.fill(0);
  }
}

async function newAdminPassword(output: Output, options: StoreOptions, { directory }: StoreLocation): Promise<Buffer> {
  const given = await passwordOfFile(output, options);
  if (given !== undefined) {
    const verdict = await assessPassword(given.toString("utf8"), { context: ["admin", "posternd"] });
    if (!verdict.ok) throw new PosternError(verdict.code);
    return given;
  }
  const prompter = createPrompter({ noInput: !options.input });
  output.note(
    say`There is no store yet in ${directory}`,
    say`Choose the admin password that will open it. It cannot be recovered,`,
    say`and without it nobody can read what is stored.`,
  );
  const question = { message: "New admin password", context: ["admin", "posternd"] };
  return Buffer.from(await askNewPassword(prompter, output, question), "utf8");
}

async function passwordOfFile(output: Output, { adminPasswordFile }: StoreOptions): Promise<Buffer | undefined> {
  if (adminPasswordFile === undefined) return undefined;
  const stdin = process.stdin.isTTY === true ? undefined : new StdinLines(process.stdin);
  const { secret, warning } = await readSecretFile(adminPasswordFile, { stdin, env: process.env });
  if (warning !== undefined) output.warn(say`${warning}`);
  return Buffer.from(secret, "utf8");
}
