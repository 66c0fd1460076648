import type { Output } from "@postern/shared/terminal/output";
import type { Command } from "commander";

/** Load on a server of one's own. */
export function addLoadtestCommands(program: Command, output: Output): void {
  const loadtest = program
    .command("loadtest")
    .description("put load on a server of your own, and measure what it can take");

  const common = (command: Command, { requests, concurrency }: { requests: string; concurrency: string }) =>
    command
      .option("--requests <n>", "how many", requests)
      .option("--concurrency <n>", "how many of them at once", concurrency)
      .option("--warm-up <n>", "so many more go ahead, and are not counted", "0")
      .option("--i-own-this-server", "for a server that is not of this machine: you may put it under load");

  common(loadtest.command("login"), { requests: "10000", concurrency: "250" })
    .description(
      "full logins with password and code, each over a connection of its own; start the server with --address-limits 127.0.0.0/8,::1/128",
    )
    .option("--accounts <n>", "how many accounts are made for it (default: --concurrency, at most 100)")
    .option("--keep", "do not delete these accounts afterwards")
    .action(async (_options: object, command: Command) => {
      const { loadtestLoginCommand } = await import("./login.js");
      await loadtestLoginCommand(output, command.optsWithGlobals());
    });

  common(loadtest.command("challenge"), { requests: "10000", concurrency: "1000" })
    .description(
      "challenge pages: each is made, opened and answered; start the server with --address-limits 127.0.0.0/8,::1/128",
    )
    .option("--url <https://host:port>", "the server's HTTPS port", "https://localhost:7466")
    .option("--key-file <file>", "an API key with the scope challenge, from a file or with - from stdin")
    .option("--ca <file>", "which certificates to trust (PEM), in place of the system's")
    .action(async (_options: object, command: Command) => {
      const { loadtestChallengeCommand } = await import("./challenge.js");
      await loadtestChallengeCommand(output, command.optsWithGlobals());
    });
}
