import type { Output } from "@postern/shared/terminal/output";
import { type Command, Option } from "commander";
import { callbackOptions } from "../config/options.js";
import { withOptions } from "../config/resolve.js";
import { withStoreOptions } from "../store-options.js";

/** Where applications are told of their challenges. */
export function addCallbacks(program: Command, output: Output): void {
  const callback = program.command("callback").description("where applications are told of their challenges");
  withOptions(withStoreOptions(callback.command("create")), callbackOptions)
    .description("make one, and print its secret this one time")
    .requiredOption("--application <id>", "whose it is (app_…)")
    .requiredOption("--name <name>", "by which the application means it")
    .requiredOption("--url <url>", "where it goes; of a template with {client_id} {flow} {result} {validated} …")
    .addOption(new Option("--kind <kind>", "what is sent").choices(["webhook", "template"]).default("webhook"))
    .addOption(new Option("--method <method>", "of a template (else: POST)").choices(["GET", "POST"]))
    .option("--token-file <file>", "of a template: what {token} stands for; without {token}, sent as a bearer")
    .action(async (_options: object, command: Command) => {
      const { callbackCreateCommand } = await import("./make.js");
      await callbackCreateCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(callback.command("list"))
    .description("print them, and how many messages wait for each")
    .action(async (_options: object, command: Command) => {
      const { callbackListCommand } = await import("./list.js");
      await callbackListCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(callback.command("delete <id>"))
    .description("delete one, by its id or the beginning of that, with all that waits for it")
    .option("--yes", "do not ask")
    .action(async (id: string, _options: object, command: Command) => {
      const { callbackDeleteCommand } = await import("./end.js");
      await callbackDeleteCommand(output, id, command.optsWithGlobals());
    });
  withOptions(withStoreOptions(callback.command("test <id>")), callbackOptions)
    .description("send it a message that tells of nothing, from here")
    .action(async (id: string, _options: object, command: Command) => {
      const { callbackTestCommand } = await import("./make.js");
      await callbackTestCommand(output, id, command.optsWithGlobals());
    });
  addDead(callback, output);
}

function addDead(callback: Command, output: Output): void {
  const dead = callback.command("dead").description("messages that could not be delivered; they are kept for 30 days");
  withStoreOptions(dead.command("list"))
    .description("print them, those of one callback oldest first")
    .option("--application <id>", "only of this application (app_…)")
    .option("--callback <id>", "only of this callback (cbk_…), or the beginning of its id")
    .option("--limit <n>", "only so many", "50")
    .action(async (_options: object, command: Command) => {
      const { deadListCommand } = await import("./list.js");
      await deadListCommand(output, command.optsWithGlobals());
    });
  const chosen = (verb: "retry" | "drop", description: string) =>
    withStoreOptions(dead.command(`${verb} [id]`))
      .description(description)
      .option("--all", "all of them, or all of --application and --callback")
      .option("--application <id>", "only of this application (app_…)")
      .option("--callback <id>", "only of this callback (cbk_…), or the beginning of its id");
  chosen("retry", "try again, by the challenge's id or the beginning of that").action(
    async (id: string | undefined, _options: object, command: Command) => {
      const { deadRetryCommand } = await import("./end.js");
      await deadRetryCommand(output, id, command.optsWithGlobals());
    },
  );
  chosen("drop", "delete for good, by the challenge's id or the beginning of that")
    .option("--yes", "do not ask")
    .action(async (id: string | undefined, _options: object, command: Command) => {
      const { deadDropCommand } = await import("./end.js");
      await deadDropCommand(output, id, command.optsWithGlobals());
    });
}
