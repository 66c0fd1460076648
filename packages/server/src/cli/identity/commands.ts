import type { Output } from "@postern/shared/terminal/output";
import type { Command } from "commander";
import { withStoreOptions } from "../store-options.js";

/** What an operator does about the key by which clients know the server. */
export function addIdentity(program: Command, output: Output): void {
  const identity = program.command("identity").description("the key by which clients know this server");
  withStoreOptions(identity.command("show"))
    .description("print its fingerprint, its certificate's end, and the identities before it")
    .option("--pem", "print its certificate alone, by which curl, nginx and others verify the HTTPS port")
    .action(async (_options: object, command: Command) => {
      const { identityShowCommand } = await import("./identity.js");
      await identityShowCommand(output, command.optsWithGlobals());
    });
  withStoreOptions(identity.command("rotate"))
    .description("replace it; clients that know the old one go on with the new one at their next login")
    .option("--no-successor", "when the key may be stolen: the old one vouches for nothing, clients must be told")
    .option("--yes", "do not ask for confirmation")
    .action(async (_options: object, command: Command) => {
      const { identityRotateCommand } = await import("./identity.js");
      await identityRotateCommand(output, command.optsWithGlobals());
    });
}
