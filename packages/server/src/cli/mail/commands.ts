import type { Output } from "@postern/shared/terminal/output";
import type { Command } from "commander";
import { mailOptions } from "../config/options.js";
import { withOptions } from "../config/resolve.js";
import { withTerminal } from "../store-options.js";

export function addMail(program: Command, output: Output): void {
  const mail = program.command("mail").description("one-time codes by mail");
  withTerminal(withOptions(mail.command("test"), mailOptions))
    .description("send a mail as one with a code, to try the mail server; the code is none")
    .argument("<address>", "whom to")
    .action(async (address: string, _options: object, command: Command) => {
      const { mailTestCommand } = await import("./test.js");
      await mailTestCommand(output, address, command.optsWithGlobals());
    });
}
