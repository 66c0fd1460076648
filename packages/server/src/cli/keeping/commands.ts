import type { Output } from "@postern/shared/terminal/output";
import type { Command } from "commander";
import { withStoreOptions } from "../store-options.js";

/** The commands that look after the store as a whole: its password, its keys, its copies. */
export function addKeeping(program: Command, output: Output): void {
  const adminPassword = program.command("admin-password").description("the password that opens the store");
  withStoreOptions(adminPassword.command("change"))
    .description("open the store with another one from now on; servers go on")
    .option("--new-admin-password-file <file>", "read the new one from a file, or from stdin with -")
    .action(async (_options: object, command: Command) => {
      const { adminPasswordChangeCommand } = await import("./admin-password.js");
      await adminPasswordChangeCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(program.command("rekey"))
    .description("seal all records with a new key, while servers run; goes on where it was cut")
    .option("--new-root", "after a theft: another root key too; no server may run while it begins")
    .action(async (_options: object, command: Command) => {
      const { rekeyCommand } = await import("./rekey.js");
      await rekeyCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(program.command("backup"))
    .description("write a copy of the whole store, sealed as it is, while servers run")
    .argument("<file>", "a new file, or - for stdout")
    .option("--force", "replace the file if there is one")
    .action(async (file: string, _options: object, command: Command) => {
      const { backupCommand } = await import("./backup.js");
      await backupCommand(output, file, command.optsWithGlobals());
    });
  withStoreOptions(program.command("restore"))
    .description("verify a backup, and make it the store; no server may run")
    .argument("<file>", "the backup")
    .option("--yes", "replace the store that is there without asking; it is kept under a dated name")
    .action(async (file: string, _options: object, command: Command) => {
      const { restoreCommand } = await import("./restore.js");
      await restoreCommand(output, file, command.optsWithGlobals());
    });
}
