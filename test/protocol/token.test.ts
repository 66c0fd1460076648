import { createPublicKey, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fencedBlocks, section } from "./page.js";

const [token = "", header = "", claims = "", keys = ""] = fencedBlocks(section("## Tokens"));
const [headerPart = "", claimsPart = "", signature = ""] = token.trim().split(".");

const decoded = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString("utf8"));

describe("the token of the page", () => {
  it("has the header and the claims that stand below it", () => {
    expect(decoded(headerPart)).toEqual(JSON.parse(header));
    expect(decoded(claimsPart)).toEqual(JSON.parse(claims));
  });

  it("verifies with the key of the page that its header names, and not with another text", () => {
    const [jwk] = JSON.parse(keys).keys.filter((key: { kid: string }) => key.kid === decoded(headerPart).kid);
    const verifies = (text: string) =>
      verify(
        null,
        Buffer.from(text),
        createPublicKey({ key: jwk, format: "jwk" }),
        Buffer.from(signature, "base64url"),
      );
    expect(verifies(`${headerPart}.${claimsPart}`)).toBe(true);
    expect(verifies(`${headerPart}.${claimsPart}A`)).toBe(false);
  });
});
