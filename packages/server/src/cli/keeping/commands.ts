import type { Output } from "@postern/shared/terminal/output";
import type { Command } from "commander";
import { storeOptions } from "../config/options.js";
import { withOptions } from "../config/resolve.js";
import { withStoreOptions, withTerminal } from "../store-options.js";

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
  addMigrate(program, output);
}

/** Both places are named: which one `--data` and `--store` mean would be a guess. */
function addMigrate(program: Command, output: Output): void {
  const password = storeOptions.filter(({ key }) => key === "admin-password-file");
  withTerminal(withOptions(program.command("migrate"), password))
    .description("move the store to a database, or back; no server may run; goes on where it was cut")
    .requiredOption("--from <place>", "where it is: lmdb:DIR, or postgres://USER@HOST[:PORT]/DATABASE")
    .requiredOption("--to <place>", "where it goes: the same forms; nothing may stand there")
    .option("--from-password-file <file>", "the password of the database's user in --from (else: as libpq)")
    .option("--to-password-file <file>", "the same in --to")
    .option("--yes", "do not ask")
    .action(async (_options: object, command: Command) => {
      const { migrateCommand } = await import("./migrate.js");
      await migrateCommand(output, command.optsWithGlobals());
    });
}
