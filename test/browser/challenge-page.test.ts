import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { findChallenge, type OpenChallenge } from "../../packages/server/src/records/challenges/challenge.js";
import { apiKey, call } from "../support/api.js";
import { hasBrowser, openPage, useBrowser } from "../support/browser.js";
import { SECOND, startInProcess } from "../support/in-process.js";

/** axe-core, which knows what a screen reader, a keyboard or an eye stumbles over. */
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function violations(page: Page): Promise<string[]> {
  // By the debugger's way in, for the page's own policy lets no script in.
  return page.evaluate(
    `${axe}; axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes[0].html))`,
  );
}

const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, locale: "es-MX" };
const { POSTERN_SCREENSHOTS: shots } = process.env;
const shoot = async (page: Page, name: string) => {
  if (shots !== undefined) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
};

/** A server with an application that asks; its own root stands in for the chat. */
async function bot() {
  const replyToHosts = new Set<string>();
  const server = await startInProcess(undefined, { http: true, replyToHosts });
  const chat = `localhost:${server.running.http?.port}`;
  replyToHosts.add(chat);
  const {
    text: key,
    key: { application },
  } = await apiKey(server.context, ["challenge"], { name: "bot" });
  const ask = async (body: object = {}) => {
    const asked = {
      subject: "ann",
      question: { kind: "birth_date_choice", birth_date: "1985-03-14" },
      reply_to: `https://${chat}/?text=done`,
      ...body,
    };
    const { body: made } = await call(server, "/v1/challenges", { method: "POST", key, body: asked });
    const id = String(made["id"]) as `chl_${string}`;
    const record = (await server.barrier.read((tx) => findChallenge(tx, application, id))) as OpenChallenge;
    const state = async () => (await call(server, `/v1/challenges/${id}`, { key })).body;
    return { url: String(made["url"]), right: record.right, state };
  };
  return { server, ask };
}

async function opened(url: string, options = {}) {
  const open = await openPage({ ...phone, ...options });
  await open.page.goto(url);
  return open;
}

/** Where every answer leads. */
const chat = /^https:\/\/localhost:[0-9]+\/\?text=done$/;

const chosen = (page: Page, place: number) => page.locator(`input[value="${place}"]`).check();
const send = (page: Page) => page.locator("button").click();

describe.skipIf(!hasBrowser)("a challenge's page in Chromium", () => {
  useBrowser();

  it("asks on a narrow phone, in its language, without a fault that axe finds, and leads back to the chat", async () => {
    const { ask } = await bot();
    const { url, right, state } = await ask({ locale: "es" });
    const { page, complaints, requests } = await opened(url);
    expect(await page.locator("h1").textContent()).toBe("¿Cuál de estas es su fecha de nacimiento?");
    expect(await page.locator("label").allTextContents()).toHaveLength(6);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
    expect(await violations(page)).toEqual([]);
    expect(requests.filter((asked) => asked !== url)).toEqual([]);
    await shoot(page, "challenge-es");
    await chosen(page, right);
    await Promise.all([page.waitForURL(chat), send(page)]);
    expect(await state()).toMatchObject({ state: "answered", result: "right" });
    expect(complaints).toEqual([]);
  });

  it("takes a wrong answer too, leads to the same place, and then is gone for good (attack 65)", async () => {
    const { ask } = await bot();
    const question = { kind: "birth_date_sum", birth_date: "1985-03-14" };
    const { url, right, state } = await ask({ question, locale: "en" });
    const { page } = await opened(url);
    await shoot(page, "challenge-sum");
    await chosen(page, (right + 1) % 6);
    await Promise.all([page.waitForURL(chat), send(page)]);
    expect(await state()).toMatchObject({ state: "answered", result: "wrong" });
    expect((await page.goto(url))?.status()).toBe(404);
    expect(await violations(page)).toEqual([]);
    await shoot(page, "challenge-gone");
    await page.goBack();
    expect(page.url()).toMatch(chat);
  });

  it("works without script: it says until when, and one may send", async () => {
    const { ask } = await bot();
    const { url, right, state } = await ask({ expires_in: 3600 });
    const { page } = await opened(url, { javaScriptEnabled: false, locale: "en-US", colorScheme: "dark" });
    expect(await page.locator("main").textContent()).toContain("Answer before 13:00:15 UTC.");
    expect(await page.locator("[role=timer]").isVisible()).toBe(false);
    await shoot(page, "challenge-dark");
    await chosen(page, right);
    await Promise.all([page.waitForURL(chat), send(page)]);
    expect(await state()).toMatchObject({ state: "answered", result: "right" });
  });

  it("counts down where there is script, and takes nothing once its time is over", async () => {
    const { server, ask } = await bot();
    const { url, right, state } = await ask({ expires_in: 10 });
    const open = await openPage({ ...phone, locale: "en-US" });
    await open.page.clock.install();
    await open.page.goto(url);
    const timer = open.page.locator("[role=timer]");
    await expect.poll(() => timer.textContent()).toBe("Time left: 0:10");
    await chosen(open.page, right);
    // The page's clock stands still: what is sent too late is refused by the server.
    server.clock.advance(10 * SECOND);
    await send(open.page);
    await open.page.waitForSelector("h1:has-text('There is nothing here')");
    expect(await state()).toMatchObject({ state: "expired" });
    const { url: next } = await ask({ expires_in: 10 });
    await open.page.goto(next);
    await open.page.clock.runFor(11_000);
    await expect.poll(() => timer.textContent()).toBe("Time left: 0:00");
    expect(await open.page.locator("[data-over]").isVisible()).toBe(true);
    expect(await open.page.locator("button").isDisabled()).toBe(true);
    await shoot(open.page, "challenge-over");
  });

  it("is answered by keyboard alone, and sends nothing without a choice", async () => {
    const { ask } = await bot();
    const { url, state } = await ask({
      question: { kind: "own", text: "¿Su <b>perro</b>?", answer: "Rex", decoys: ["Fido"] },
    });
    const { page } = await opened(url);
    expect(await page.locator("h1").textContent()).toBe("¿Su <b>perro</b>?");
    expect(await page.locator("h1 b").count()).toBe(0);
    await send(page);
    expect(await state()).toMatchObject({ state: "open" });
    await page.locator("input").first().focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Tab");
    await Promise.all([page.waitForURL(chat), page.keyboard.press("Enter")]);
    expect(await state()).toMatchObject({ state: "answered" });
  });
});
