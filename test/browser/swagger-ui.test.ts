import { describe, expect, it } from "vitest";
import { hasBrowser, openPage, useBrowser } from "../support/browser.js";
import { startInProcess } from "../support/in-process.js";

describe.skipIf(!hasBrowser)("Swagger UI at /docs, in Chromium", () => {
  useBrowser();

  it("shows every route of the API, and loads nothing from elsewhere", async () => {
    const server = await startInProcess(undefined, { http: true });
    const origin = `https://127.0.0.1:${server.running.http?.port}`;
    const { page, complaints, requests } = await openPage({ viewport: { width: 900, height: 1180 } });
    await page.goto(`${origin}/docs`);
    await page.waitForSelector(".opblock");
    const shown = await page.$$eval(".opblock-summary-path", (paths) => paths.map((path) => path.textContent));
    const response = await page.request.get(`${origin}/openapi.json`);
    const document = (await response.json()) as { paths: Record<string, object> };
    const told = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map(() => path));
    // A path may break after a slash, by a character of no width.
    expect(shown.map((path) => path?.replaceAll("\u200b", "")).sort()).toEqual(told.sort());
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith("data:"))).toEqual([]);
    // The picture of docs/api.md: one call, opened.
    await page.click("#operations-otp-verifyOneTimeCode .opblock-summary-control");
    const opened = page.locator("#operations-otp-verifyOneTimeCode");
    await opened.locator(".opblock-body .responses-table").waitFor();
    expect(await opened.locator(".response-col_status").allTextContents()).toContain("422");
    const { POSTERN_SCREENSHOTS: folder } = process.env;
    await page.locator("#operations-tag-otp").evaluate((heading) => heading.scrollIntoView());
    if (folder !== undefined) await page.screenshot({ path: `${folder}/swagger-ui.png` });
  });
});
