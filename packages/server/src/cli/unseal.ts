import { PosternError } from "@postern/shared/errors";
import { assessPassword } from "@postern/shared/password-policy";
import { askNewPassword } from "@postern/shared/terminal/new-password";
import type { Output } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import { readSecretFile } from "@postern/shared/terminal/secret-file";
import { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { say } from "@postern/shared/terminal/terminal-text";
import { handingOver, type SecureBuffer } from "../barrier/secure-buffer.js";
import { isPostgresUrl, parsePostgresUrl } from "../postgres-url.js";
import {
  createStore,
  findStore,
  type OpenStore,
  refuseWithoutRoom,
  type SealedStore,
  type StoreLocation,
  shownPlace,
} from "../store.js";
import { dataDirectory } from "./data-directory.js";
import { databasePassword } from "./database-password.js";

/** The options of every command that opens the store. */
export interface StoreOptions {
  readonly data?: string;
  readonly store?: string;
  readonly storePasswordFile?: string;
  readonly adminPasswordFile?: string;
  readonly input: boolean;
}

/** What a guesser of an admin password would try first. */
export const adminPasswordContext = ["admin", "posternd"];

/** Wrong passwords that a person may type before the program gives up. */
const PASSWORD_TRIES = 3;

/** @throws PosternError `usage` for a `--store` that is none, or a password without a database */
export function locationOf(output: Output, { data, store, storePasswordFile }: StoreOptions): StoreLocation {
  const warn = (warning: string) => output.warn(say`${warning}`);
  if (store === undefined || !isPostgresUrl(store)) {
    if (storePasswordFile === undefined) return { directory: dataDirectory(data), warn };
    throw new PosternError("usage", { detail: "--store-password-file is for a database, and --store names none" });
  }
  // Standard input has the admin password, where it has one; and this file is read again and again.
  if (storePasswordFile === "-") throw new PosternError("usage", { detail: "--store-password-file takes a file" });
  const server = parsePostgresUrl(store);
  return { database: { server, password: databasePassword(server, storePasswordFile, { warn }) }, warn };
}

/**
 * Opens the store with the admin password of `--admin-password-file`, or asks for it up to three times.
 * @throws PosternError `store_missing`, `admin_password_wrong`, `input_needed`, `store_damaged` and its kin
 */
export async function unsealStore(output: Output, options: StoreOptions): Promise<OpenStore> {
  const location = locationOf(output, options);
  const sealed = await findStore(location);
  if (sealed === undefined) throw new PosternError("store_missing", { detail: shownPlace(location) });
  return unsealSealed(output, options, sealed);
}

/** The same by the root key that another process of this server has handed over, which goes with the store. */
export async function openByRootKey(output: Output, options: StoreOptions, rootKey: SecureBuffer): Promise<OpenStore> {
  return handingOver(rootKey, async (key) => {
    const location = locationOf(output, options);
    const sealed = await findStore(location);
    if (sealed === undefined) throw new PosternError("store_missing", { detail: shownPlace(location) });
    try {
      return await sealed.unsealByRootKey(key);
    } catch (thrown) {
      await sealed.close();
      throw thrown;
    }
  });
}

/** The same for a store that was found. It is closed when it does not open. */
export async function unsealSealed(output: Output, options: StoreOptions, sealed: SealedStore): Promise<OpenStore> {
  try {
    return await withAdminPassword(output, options, (password) => sealed.unseal(password));
  } catch (thrown) {
    await sealed.close();
    throw thrown;
  }
}

/** As `unsealStore`, for what needs the password once more: it is the caller's, to wipe. */
export async function unsealKeeping(
  output: Output,
  options: PasswordOptions,
): Promise<{ store: OpenStore; password: Buffer }> {
  let kept = Buffer.alloc(0);
  const location = locationOf(output, options);
  const sealed = await findStore(location);
  if (sealed === undefined) throw new PosternError("store_missing", { detail: shownPlace(location) });
  const keeping: SealedStore = {
    ...sealed,
    unseal: async (password) => {
      const store = await sealed.unseal(password);
      kept = Buffer.from(password);
      return store;
    },
  };
  return { store: await unsealSealed(output, options, keeping), password: kept };
}

export interface PasswordOptions extends StoreOptions {
  /** Standard input, where more than the password comes from it. */
  readonly stdin?: StdinLines | undefined;
}

/**
 * Tries the admin password of `--admin-password-file`, or asks for it up to three times. `attempt` has the bytes until
 * it has ended.
 */
export async function withAdminPassword<T>(
  output: Output,
  options: PasswordOptions,
  attempt: (password: Buffer) => Promise<T>,
  said: { question?: string; wrong?: string } = {},
): Promise<T> {
  const { question = "Admin password", wrong = "That is not the admin password of this store." } = said;
  const given = await passwordOfFile(output, options);
  if (given !== undefined) return await wiping(given, attempt);
  const prompter = createPrompter({ noInput: !options.input });
  for (let tries = 1; ; tries++) {
    const password = await prompter.password(question);
    try {
      return await wiping(Buffer.from(password, "utf8"), attempt);
    } catch (thrown) {
      const isWrong = thrown instanceof PosternError && thrown.code === "admin_password_wrong";
      if (!isWrong || tries === PASSWORD_TRIES) throw thrown;
      output.note(say`${wrong}`);
    }
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
  if (sealed !== undefined) return unsealSealed(output, options, await withRoom(location, sealed));
  const interactive = options.input && process.stdin.isTTY === true && process.stderr.isTTY === true;
  if (options.init !== true && (!interactive || options.adminPasswordFile !== undefined)) {
    throw new PosternError("store_missing", { detail: shownPlace(location) });
  }
  const password = await newAdminPassword(output, options, location);
  return wiping(password, (chosen) => createStore(location, chosen));
}

/** A server begins by writing: where that cannot be, its operator is told before the password is asked for. */
async function withRoom(location: StoreLocation, sealed: SealedStore): Promise<SealedStore> {
  try {
    await refuseWithoutRoom(location);
    return sealed;
  } catch (thrown) {
    await sealed.close();
    throw thrown;
  }
}

/** The string that a prompt or a file gave cannot be wiped; this copy, which lives as long as the stretching, can. */
async function wiping<T>(password: Buffer, use: (password: Buffer) => Promise<T>): Promise<T> {
  try {
    return await use(password);
  } finally {
    password.fill(0);
  }
}

async function newAdminPassword(output: Output, options: StoreOptions, location: StoreLocation): Promise<Buffer> {
  const given = await passwordOfFile(output, options);
  if (given !== undefined) {
    const verdict = await assessPassword(given.toString("utf8"), { context: adminPasswordContext });
    if (!verdict.ok) throw new PosternError(verdict.code);
    return given;
  }
  const prompter = createPrompter({ noInput: !options.input });
  output.note(
    say`There is no store yet in ${shownPlace(location)}`,
    say`Choose the admin password that will open it. It cannot be recovered,`,
    say`and without it nobody can read what is stored.`,
  );
  const question = { message: "New admin password", context: adminPasswordContext };
  return Buffer.from(await askNewPassword(prompter, output, question), "utf8");
}

async function passwordOfFile(output: Output, options: PasswordOptions): Promise<Buffer | undefined> {
  const { adminPasswordFile: path, stdin } = options;
  return path === undefined ? undefined : Buffer.from(await secretOfFile(output, path, stdin), "utf8");
}

/** Undefined when it is a terminal, which would show what is typed. */
export function standardInput(): StdinLines | undefined {
  return process.stdin.isTTY === true ? undefined : new StdinLines(process.stdin);
}

/** A secret of a file, or with `-` of the next line of standard input; a file that others can read is warned of. */
export async function secretOfFile(output: Output, path: string, stdin = standardInput()): Promise<string> {
  const { secret, warning } = await readSecretFile(path, { stdin, env: process.env });
  if (warning !== undefined) output.warn(say`${warning}`);
  return secret;
}
