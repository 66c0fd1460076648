import type { Output } from "@postern/shared/terminal/output";
import type { Command } from "commander";
import { userGroup } from "../people/group.js";
import { withStoreOptions } from "../store-options.js";

/** What makes tokens that an operator hands to a person: invites, and resets. */
export function addTokens(program: Command, output: Output): void {
  addInvites(program, output);
  addResets(program, output);
}

function addInvites(program: Command, output: Output): void {
  const invite = program.command("invite").description("who may register, where that takes an invite");
  withStoreOptions(invite.command("create"))
    .description("make one, and print its token this one time")
    .option("--expires <span>", "how long it can be used, such as 30m, 24h, 7d", "7d")
    .option("--uses <n>", "how many accounts it can make", "1")
    .option("--note <text>", "what you want to remember of it; nobody else sees it")
    .action(async (_options: object, command: Command) => {
      const { inviteCreateCommand } = await import("./invites.js");
      await inviteCreateCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(invite.command("list"))
    .description("print those that are kept, until they expire")
    .action(async (_options: object, command: Command) => {
      const { inviteListCommand } = await import("./invites.js");
      await inviteListCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(invite.command("revoke <id>"))
    .description("withdraw one, by its id or the beginning of that; accounts that it made stay")
    .action(async (id: string, _options: object, command: Command) => {
      const { inviteRevokeCommand } = await import("./invites.js");
      await inviteRevokeCommand(output, id, command.optsWithGlobals());
    });
}

function addResets(program: Command, output: Output): void {
  const user = userGroup(program);
  withStoreOptions(user.command("reset-password <name>"))
    .description("print a token by which they set a new password; a code is still asked for")
    .option("--expires <span>", "how long it can be used, such as 30m, 24h, 7d", "24h")
    .action(async (name: string, _options: object, command: Command) => {
      const { resetPasswordCommand } = await import("./resets.js");
      await resetPasswordCommand(output, name, command.optsWithGlobals());
    });
  withStoreOptions(user.command("reset-factors <name>"))
    .description("print a token by which they replace their authenticators; the password is still asked for")
    .option("--expires <span>", "how long it can be used, such as 30m, 24h, 7d", "24h")
    .action(async (name: string, _options: object, command: Command) => {
      const { resetFactorsCommand } = await import("./resets.js");
      await resetFactorsCommand(output, name, command.optsWithGlobals());
    });
}
