import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";

const play = fileURLToPath(new URL("../../scripts/demo/play.mjs", import.meta.url));

it("npm run demo tells the whole story, unattended", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [play, "--fast"], { maxBuffer: 2 ** 24 });
  const told = stripVTControlCharacters(stdout);
  for (const part of [
    /posternd ready listen=\S+ http=off fingerprint=SHA256:\S+/,
    /otpauth:\/\/totp\/Postern:alice\?/,
    /Registered as alice\./,
    /That code was not accepted/,
    /Login successful\. You are alice/,
    /error: the code was not accepted/,
    /login\.code\s+refused: replayed_code alice/,
    /The audit log holds: 6 entries\./,
    /The data is gone/,
  ]) {
    expect(told).toMatch(part);
  }
});
