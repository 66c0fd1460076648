import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { factsOf, withDescendants } from "@postern/shared/terminal/commands/tree";
import { createOutput } from "@postern/shared/terminal/output";
import { describe, expect, it, onTestFinished } from "vitest";
import { buildProgram } from "../../packages/server/src/cli/program.js";
import { pageTextsSchema, parsePageTexts } from "../../packages/server/src/page-texts.js";
import { secretText, signatureOf } from "../../packages/server/src/services/challenges/webhook.js";
import { eventually } from "../support/eventually.js";
import { temporaryDirectory } from "../support/in-process.js";
import { page, root } from "./pages.js";
import { partsOf } from "./played-page.js";

const { text, prose } = page("docs/challenges.md");

describe("docs/challenges.md", () => {
  it("has a complete file of texts, which a server takes, and tells of each of its members", () => {
    const [, example = ""] = /```json\n([\s\S]*?)```/.exec(text) ?? [];
    const [tag, texts] = parsePageTexts("fr.json", example);
    expect(tag).toBe("fr");
    const members = Object.keys(pageTextsSchema.shape);
    expect(Object.keys(texts)).toEqual(members);
    const told = [...prose.matchAll(/^\| ((?:`[a-zA-Z]+`(?:, )?)+) \|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`([a-zA-Z]+)`/g)].map(([, name = ""]) => name),
    );
    expect(told).toEqual(members);
  });

  it("calls commands that there are, by options that they have", () => {
    const { stdout, stderr } = process;
    const commands = withDescendants(factsOf(buildProgram(createOutput({ json: false, stdout, stderr, env: {} }))));
    const typed = partsOf(text)
      .flatMap((part) => (part.kind === "command" ? [part.command.replaceAll(/\\\n */g, "")] : []))
      .filter((line) => line.startsWith("posternd "));
    expect(typed.length).toBeGreaterThan(7);
    for (const line of typed) {
      const words = line.split(" ").slice(1);
      const named = commands.filter(({ acts, path }) => acts && path.every((word, index) => words[index] === word));
      const command = named.sort((a, b) => b.path.length - a.path.length)[0];
      expect(command?.path.length, line).toBeGreaterThan(0);
      const known = [...(command?.options ?? []), ...(command?.inherited ?? [])].flatMap(({ flags }) => flags);
      expect(known, line).toEqual(expect.arrayContaining(words.filter((word) => word.startsWith("--"))));
    }
  });
});

describe("docs/examples/challenge-bot.mjs", () => {
  it("prints what is signed by its secret, once, and answers 401 to what is not", async () => {
    const folder = await temporaryDirectory();
    const secret = randomBytes(32);
    writeFileSync(join(folder, "bot.secret"), `${secretText(secret)}\n`);
    const bot = spawn(process.execPath, [join(root, "docs/examples/challenge-bot.mjs"), "bot.secret", "0"], {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(bot, "close");
    onTestFinished(async () => {
      bot.kill();
      await ended;
    });
    let said = "";
    bot.stdout.setEncoding("utf8").on("data", (more: string) => {
      said += more;
    });
    await eventually(() => said.endsWith("\n"));
    const [, host = ""] = /^listening on (\S+)\n$/.exec(said) ?? [];

    const send = async (id: string, result: string, by = secret) => {
      const body = JSON.stringify({ type: "challenge.answered", data: { challenge_id: id, client_id: "77", result } });
      const timestamp = Math.floor(Date.now() / 1000);
      const headers = {
        "webhook-id": id,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": signatureOf(by, { id, timestamp, body }),
      };
      return (await fetch(`http://${host}/postern`, { method: "POST", headers, body })).status;
    };
    expect(await send("chl_0", "right", randomBytes(32))).toBe(401);
    expect([await send("chl_1", "right"), await send("chl_1", "right"), await send("chl_2", "wrong")]).toEqual([
      204, 204, 204,
    ]);
    await eventually(() => said.includes("wrong\n"));
    expect(said.split("\n").slice(1)).toEqual(["77: right", "77: wrong", ""]);
  });
});
