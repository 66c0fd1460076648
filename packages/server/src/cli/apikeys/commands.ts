import type { Output } from "@postern/shared/terminal/output";
import type { Command } from "commander";
import { withStoreOptions } from "../store-options.js";

/** The keys by which applications call the HTTPS API. */
export function addApiKeys(program: Command, output: Output): void {
  const apikey = program.command("apikey").description("the keys by which applications call the HTTPS API");
  withStoreOptions(apikey.command("create"))
    .description("make one, and print it this one time")
    .requiredOption("--name <name>", "what to list it by; a new application is called so too")
    .requiredOption("--scope <scopes>", "what it is for, with commas: otp, totp, hotp, challenge, session, admin")
    .option("--expires <span>", "how long it can be used, such as 24h, 90d, or never", "365d")
    .option("--application <id>", "whose it is (app_…); without it, a new application's")
    .action(async (_options: object, command: Command) => {
      const { apiKeyCreateCommand } = await import("./make.js");
      await apiKeyCreateCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(apikey.command("list"))
    .description("print those that are kept, until 30 days after their end")
    .action(async (_options: object, command: Command) => {
      const { apiKeyListCommand } = await import("./list.js");
      await apiKeyListCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(apikey.command("applications"))
    .description("print the applications, and how many keys of each can be used")
    .action(async (_options: object, command: Command) => {
      const { applicationsCommand } = await import("./list.js");
      await applicationsCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(apikey.command("rotate <id>"))
    .description("make the next key of the same application, name and scopes; the old one ends a while later")
    .option("--overlap <span>", "how long the old one still works, such as 30m, 24h, 7d, or 0", "24h")
    .option("--expires <span>", "how long the next one can be used, or never; by default as long as the old one")
    .action(async (id: string, _options: object, command: Command) => {
      const { apiKeyRotateCommand } = await import("./make.js");
      await apiKeyRotateCommand(output, id, command.optsWithGlobals());
    });
  withStoreOptions(apikey.command("revoke <id>"))
    .description("end one at once, by its id or the beginning of that; what its application made stays")
    .option("--yes", "do not ask")
    .action(async (id: string, _options: object, command: Command) => {
      const { apiKeyRevokeCommand } = await import("./revoke.js");
      await apiKeyRevokeCommand(output, id, command.optsWithGlobals());
    });
}
