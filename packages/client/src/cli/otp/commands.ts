import type { Output } from "@postern/shared/terminal/output";
import { type Command, Option } from "commander";

/** The offline toolkit: it knows no server. A secret comes from a file, a pipe or a hidden prompt, never from argv. */
export function addOtpCommands(program: Command, output: Output): void {
  const otp = program.command("otp").description("one-time passwords offline: secrets, URIs, QR codes, codes");

  otp
    .command("secret")
    .description("make a random secret and print it in base32")
    .addOption(algorithmOption())
    .action(async (_options: object, command: Command) => {
      const { otpSecretCommand } = await import("./toolkit.js");
      await otpSecretCommand(output, command.optsWithGlobals());
    });

  withKey(otp.command("uri"))
    .description("print the otpauth URI that provisions an authenticator app")
    .action(async (_options: object, command: Command) => {
      const { otpUriCommand } = await import("./toolkit.js");
      await otpUriCommand(output, command.optsWithGlobals());
    });

  withKey(otp.command("qr"))
    .description("draw that URI as a QR code")
    .action(async (_options: object, command: Command) => {
      const { otpQrCommand } = await import("./toolkit.js");
      await otpQrCommand(output, command.optsWithGlobals());
    });

  withKey(otp.command("code"))
    .description("print the code of this moment")
    .option("--next", "wait for the next time step, and print that code")
    .action(async (_options: object, command: Command) => {
      const { otpCodeCommand } = await import("./toolkit.js");
      await otpCodeCommand(output, command.optsWithGlobals());
    });

  withKey(otp.command("verify"))
    .description("say whether a code is right: exit code 0, or 1 when it is wrong or has expired")
    .option("--code <code>", "the code; without it, it is asked for")
    .action(async (_options: object, command: Command) => {
      const { otpVerifyCommand } = await import("./toolkit.js");
      await otpVerifyCommand(output, command.optsWithGlobals());
    });
}

/** The options have no default here: with a URI, which says all of it, one that is given contradicts. */
function withKey(command: Command): Command {
  return command
    .option("--secret-file <file>", "the base32 secret, from a file or with - from stdin; without it, it is asked for")
    .option("--uri-file <file>", "an otpauth URI instead, from a file or with - from stdin")
    .option("--account <name>", 'whose secret it is (default: "account")')
    .option("--issuer <name>", 'who asks for its codes (default: "Postern")')
    .addOption(algorithmOption())
    .addOption(new Option("--digits <n>", "how many a code has (default: 6)").choices(["6", "7", "8"]))
    .option("--period <seconds>", "how long a code lasts (default: 30)");
}

function algorithmOption(): Option {
  return new Option("--algorithm <name>", "the hash (default: SHA1)").choices(["SHA1", "SHA256", "SHA512"]);
}
