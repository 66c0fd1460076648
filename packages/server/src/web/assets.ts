import { createHash } from "node:crypto";
import { type Html, html } from "./html.js";

/**
 * The one style and the one script of all pages, which stand in the page itself: nothing is fetched, and the policy names
 * them by their hashes. Without the script a page does all that it must.
 */
export const styleElement = html`<style>
:root { color-scheme: light dark; --text: #16181d; --page: #f4f5f7; --card: #ffffff; --line: #6b7280; --mark: #1d4ed8; --on-mark: #ffffff; --warn: #b42318; }
@media (prefers-color-scheme: dark) {
  :root { --text: #eceef2; --page: #101216; --card: #1a1d23; --line: #8b93a1; --mark: #8fb4ff; --on-mark: #0b1220; --warn: #ff9d94; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 1.125rem/1.5 system-ui, sans-serif; }
main { max-width: 30rem; margin: 0 auto; padding: 1.25rem 1rem 2rem; }
h1 { font-size: 1.375rem; line-height: 1.3; margin: 0 0 .75rem; overflow-wrap: anywhere; }
p { margin: 0 0 .75rem; }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
legend { padding: 0; }
label { display: flex; gap: .75rem; align-items: center; min-height: 3rem; padding: .5rem .875rem; margin: 0 0 .5rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; overflow-wrap: anywhere; }
label:has(input:checked) { border-color: var(--mark); box-shadow: inset 0 0 0 1px var(--mark); }
input { flex: none; width: 1.25rem; height: 1.25rem; margin: 0; accent-color: var(--mark); }
button { width: 100%; min-height: 3rem; margin: .5rem 0 1rem; font: inherit; font-weight: 600; color: var(--on-mark); background: var(--mark); border: 0; border-radius: .5rem; }
button:disabled { opacity: .5; }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
.notice { color: var(--warn); font-weight: 600; }
[hidden] { display: none; }
</style>`;

/** Counts down by the browser's monotonic clock, from what the server says is left: whose clock is wrong sees no lie. */
export const scriptElement = html`<script>
(() => {
  const box = document.querySelector("[data-left]");
  if (!box) return;
  const end = performance.now() + Number(box.dataset.left) * 1000;
  const shown = box.querySelector("[data-shown]");
  const over = document.querySelector("[data-over]");
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    const hours = Math.floor(left / 3600);
    const two = (number) => String(number).padStart(2, "0");
    const minutes = Math.floor(left / 60) % 60;
    shown.textContent = (hours ? hours + ":" + two(minutes) : minutes) + ":" + two(left % 60);
    if (left > 0) return void setTimeout(tick, 250);
    for (const field of document.querySelectorAll("input, button")) field.disabled = true;
    over.hidden = false;
  };
  box.hidden = false;
  tick();
})();
</script>`;

/** What stands between the element's tags. */
function hashOf(element: Html): string {
  const text = element
    .toString()
    .replace(/^<[a-z]+>/, "")
    .replace(/<\/[a-z]+>$/, "");
  return `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;
}

/**
 * A form's policy is asked for every step of the way that its answer leads: from here to the reply-to link, and on to
 * wherever that one leads. So it names schemes, and not hosts: the link itself was checked when the page was made.
 */
const TARGETS = "form-action 'self' https: whatsapp: tg: fb-messenger: sgnl: sms: tel:";

export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src ${hashOf(styleElement)}`,
  `script-src ${hashOf(scriptElement)}`,
  TARGETS,
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");
