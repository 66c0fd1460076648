import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { html } from "../../src/web/html.js";

describe("HTML by templates", () => {
  it("has every text escaped, between tags and in quotes (attack 65)", () => {
    const text = `<script>alert("1" & '2')</script>`;
    const escaped = "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;";
    expect(String(html`<p title="${text}">${text}</p>`)).toBe(`<p title="${escaped}">${escaped}</p>`);
  });

  it("takes HTML of its own as it is, once and many times, and numbers", () => {
    const item = (text: string) => html`<li>${text}</li>`;
    expect(String(html`<ul>${["a<", "b"].map(item)}</ul>${item("c")}${3}`)).toBe(
      "<ul><li>a&lt;</li><li>b</li></ul><li>c</li>3",
    );
  });

  it("lets no text end an element or an attribute, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const [, inQuotes, between] =
          /^<p title="([\s\S]*)">([\s\S]*)<\/p>$/.exec(String(html`<p title="${text}">${text}</p>`)) ?? [];
        for (const part of [inQuotes, between]) {
          expect(part).not.toMatch(/[<>"']|&(?!(?:amp|lt|gt|quot|#39);)/);
        }
      }),
    );
  });

  it("cannot be made of an object that only looks like it", () => {
    const forged = { toString: () => "<script>" } as never;
    expect(String(html`${forged}`)).toBe("&lt;script&gt;");
  });
});
