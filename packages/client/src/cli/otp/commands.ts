import type { Output } from "@postern/shared/terminal/output";
import { type Command, Option } from "commander";

/** The offline toolkit: it knows no server. A secret comes from a file, a pipe or a hidden prompt, never from argv. */
export function addOtpCommands(program: Command, output: Output): void {
  const otp = program.command("otp").description("one-time passwords offline: secrets, URIs, QR codes, codes");

  otp
    .command("secret")
    .description("make a random secret and print it")
    .addOption(algorithmOption())
    .option("--bytes <n>", "how long, 16 to 128 (default: as long as the hash is)")
    .addOption(encodingOption())
    .action(async (_options: object, command: Command) => {
      const { otpSecretCommand } = await import("./secret.js");
      await otpSecretCommand(output, command.optsWithGlobals());
    });

  withKey(otp.command("uri"))
    .description("print the otpauth URI that provisions an authenticator app")
    .action(async (_options: object, command: Command) => {
      const { otpUriCommand } = await import("./provision.js");
      await otpUriCommand(output, command.optsWithGlobals());
    });

  withKey(otp.command("qr"))
    .description("draw that URI as a QR code, on the terminal or as a picture")
    .option("--png <file>", "write a PNG instead, or with - to stdout")
    .option("--svg <file>", "write an SVG instead, or with - to stdout")
    .option("--force", "replace a file that is there")
    .action(async (_options: object, command: Command) => {
      const { otpQrCommand } = await import("./provision.js");
      await otpQrCommand(output, command.optsWithGlobals());
    });

  withKey(otp.command("code"))
    .description("print the code of this moment, or of a counter")
    .option("--next", "wait for the next time step, and print that code")
    .option("--watch", "show each code as it comes, with the seconds that it lasts, until Ctrl-C")
    .option("--count <n>", "end after so many codes; with a counter, print so many in a row")
    .action(async (_options: object, command: Command) => {
      const { otpCodeCommand } = await import("./code.js");
      await otpCodeCommand(output, command.optsWithGlobals());
    });

  withKey(otp.command("verify"))
    .description("say whether a code is right: exit code 0, or 1 when it is wrong or has expired")
    .option("--code <code>", "the code; without it, it is asked for")
    .option("--window <n>", "time steps that are accepted on each side, 0 to 20 (default: 1)")
    .option("--look-ahead <n>", "counters that are tried behind the expected one, 0 to 1000 (default: 5)")
    .action(async (_options: object, command: Command) => {
      const { otpVerifyCommand } = await import("./verify.js");
      await otpVerifyCommand(output, command.optsWithGlobals());
    });

  otp
    .command("import")
    .description("read otpauth URIs and exports of Google Authenticator, and print all as otpauth URIs")
    .option("--file <file>", "one a line, from a file or with - from stdin; without it, one is asked for")
    .action(async (_options: object, command: Command) => {
      const { otpImportCommand } = await import("./import.js");
      await otpImportCommand(output, command.optsWithGlobals());
    });
}

/** The options have no default here: with a URI, which says all of it, one that is given contradicts. */
function withKey(command: Command): Command {
  return command
    .option("--secret-file <file>", "the secret, from a file or with - from stdin; without it, it is asked for")
    .option("--uri-file <file>", "an otpauth URI instead, from a file or with - from stdin")
    .addOption(encodingOption())
    .option("--account <name>", 'whose secret it is (default: "account")')
    .option("--issuer <name>", 'who asks for its codes (default: "Postern")')
    .addOption(new Option("--type <type>", "codes by time or by counter (default: totp)").choices(["totp", "hotp"]))
    .addOption(algorithmOption())
    .option("--digits <n>", "how many a code has, 4 to 10 (default: 6)")
    .option("--period <seconds>", "how long a code by time lasts, 1 to 86400 (default: 30)")
    .option("--counter <n>", "which code by counter is the next one (default: 0, or what the URI says)");
}

function algorithmOption(): Option {
  return new Option("--algorithm <name>", "the hash (default: SHA1)").choices(["SHA1", "SHA256", "SHA512"]);
}

function encodingOption(): Option {
  const encodings = ["base32", "hex", "base64"];
  return new Option("--encoding <name>", "how the secret is written (default: base32)").choices(encodings);
}
