import type { Output } from "@postern/shared/terminal/output";
import type { Command } from "commander";
import { withStoreOptions } from "../store-options.js";
import { userGroup } from "./group.js";

/** What an operator does about people and their sessions. */
export function addPeople(program: Command, output: Output): void {
  const user = userGroup(program);
  withStoreOptions(user.command("list"))
    .description("print who is registered, by name")
    .option("--match <pattern>", "only these names; * for any characters (*@example.org)")
    .option("--disabled", "only those who are disabled")
    .option("--locked", "only those at whom strangers guessed so often that they have to wait, or are refused")
    .option("--inactive-for <span>", "only those who did not log in for so long, such as 90d")
    .option("--limit <n>", "only so many", "1000")
    .option("--after <name>", "only those behind this name: goes on where a list ended")
    .action(async (_options: object, command: Command) => {
      const { userListCommand } = await import("./list.js");
      await userListCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(user.command("show <name>"))
    .description("print what is known of somebody: a name, or an account's id (acc_…)")
    .action(async (name: string, _options: object, command: Command) => {
      const { userShowCommand } = await import("./show.js");
      await userShowCommand(output, name, command.optsWithGlobals());
    });
  withStoreOptions(user.command("disable <name>"))
    .description("let somebody in no more, and end their sessions; nothing of theirs is deleted")
    .action(async (name: string, _options: object, command: Command) => {
      const { userDisableCommand } = await import("./care.js");
      await userDisableCommand(output, name, command.optsWithGlobals());
    });
  withStoreOptions(user.command("enable <name>"))
    .description("let somebody in again")
    .action(async (name: string, _options: object, command: Command) => {
      const { userEnableCommand } = await import("./care.js");
      await userEnableCommand(output, name, command.optsWithGlobals());
    });
  withStoreOptions(user.command("unlock <name>"))
    .description("forget the wrong passwords and codes that were tried, and the waits for them")
    .action(async (name: string, _options: object, command: Command) => {
      const { userUnlockCommand } = await import("./care.js");
      await userUnlockCommand(output, name, command.optsWithGlobals());
    });
  withStoreOptions(user.command("delete <name>"))
    .description("delete somebody's account for good, and erase them from the audit log")
    .option("--yes", "do not ask to type the name")
    .action(async (name: string, _options: object, command: Command) => {
      const { userDeleteCommand } = await import("./care.js");
      await userDeleteCommand(output, name, command.optsWithGlobals());
    });
  addSessions(program, output);
}

function addSessions(program: Command, output: Output): void {
  const session = program.command("session").description("who is logged in");
  withStoreOptions(session.command("list"))
    .description("print the live sessions, those used last first")
    .option("--user <name>", "only of this person: a name, or an account's id (acc_…)")
    .option("--limit <n>", "only so many", "1000")
    .action(async (_options: object, command: Command) => {
      const { sessionListCommand } = await import("./sessions.js");
      await sessionListCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(session.command("revoke [session]"))
    .description("end a session, by its id or the beginning of that, or all of a person's, or everybody's")
    .option("--user <name>", "all sessions of this person")
    .option("--all", "everybody's sessions")
    .option("--yes", "with --all: do not ask")
    .action(async (id: string | undefined, _options: object, command: Command) => {
      const { sessionRevokeCommand } = await import("./sessions.js");
      await sessionRevokeCommand(output, id, command.optsWithGlobals());
    });
}
