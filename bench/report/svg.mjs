import { shown } from "./markdown.mjs";

/** Panels of a picture: bars and lines with the spread of their rounds. Lengths are in pixels. */

export const PANEL = { width: 520, height: 260 };

/** Light or dark by the choice of whoever looks at it. */
export const style = `
:root { --paper: #ffffff; --ink: #1f2328; --faint: #59636e; --rule: #d1d9e0; --plain: #818b98; --a: #1f6feb; --b: #bc4c00; --c: #2da44e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #0d1117; --ink: #f0f6fc; --faint: #9198a1; --rule: #3d444d; --plain: #818b98; --a: #6cb6ff; --b: #f0883e; --c: #56d364; }
}
text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.title { font-size: 15px; font-weight: 600; }
.faint { fill: var(--faint); font-size: 12px; }
.rule { stroke: var(--rule); fill: none; }
.limit { stroke: var(--ink); stroke-dasharray: 5 4; fill: none; }
.spread { stroke: var(--ink); stroke-width: 1.5; fill: none; }
.a { fill: var(--a); stroke: var(--a); } .b { fill: var(--b); stroke: var(--b); } .c { fill: var(--c); stroke: var(--c); }
.plain { fill: var(--plain); }
.line { fill: none; stroke-width: 2; } .bar { stroke: none; }`;

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0)};`);
const at = (value) => Number(value.toFixed(1));

export function text(x, y, said, { anchor = "start", kind = "" } = {}) {
  const name = kind === "" ? "" : ` class="${kind}"`;
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}"${name}>${escaped(said)}</text>`;
}

const line = (kind, x1, y1, x2, y2) => `<path class="${kind}" d="M${at(x1)} ${at(y1)}L${at(x2)} ${at(y2)}"/>`;

const heading = (title, unit) => [text(16, 26, title, { kind: "title" }), text(16, 44, unit, { kind: "faint" })];

const LABELS = 190;
const VALUES = 70;

/**
 * Bars that lie, one below the other. A bar is a label and one figure, or several that add up; `limit` is where an aim
 * ends, `kinds` tell what the parts of a bar are.
 */
export function barPanel({ title, unit, bars, limit, kinds = [] }) {
  const ends = bars.map(({ parts }) => parts.reduce((sum, { median }) => sum + median, 0));
  const most = Math.max(
    ...ends,
    ...bars.flatMap(({ parts }) => (parts.length === 1 ? [parts[0].max] : [])),
    limit?.value ?? 0,
  );
  const scale = (PANEL.width - LABELS - VALUES) / most;
  const bottom = kinds.length > 0 ? 34 : 12;
  const step = Math.min(38, (PANEL.height - 62 - bottom) / bars.length);
  const drawn = bars.flatMap(({ label, parts }, row) => {
    const middle = 66 + step * (row + 0.5);
    const height = Math.min(18, step - 8);
    let from = LABELS;
    const rects = parts.map(({ median }, index) => {
      const width = median * scale;
      const kind = parts.length === 1 && kinds.length > 0 ? "plain" : "abc"[index];
      const rect = `<rect class="bar ${kind}" x="${at(from)}" y="${at(middle - height / 2)}" width="${at(width)}" height="${height.toFixed(1)}"/>`;
      from += width;
      return rect;
    });
    const [only, ...others] = parts;
    const spread =
      others.length === 0 ? spreadAcross(LABELS + only.min * scale, LABELS + only.max * scale, middle) : [];
    const end = others.length === 0 ? Math.max(from, LABELS + only.max * scale) : from;
    return [
      text(LABELS - 10, middle + 4, label, { anchor: "end" }),
      ...rects,
      ...spread,
      text(end + 8, middle + 4, shown(ends[row])),
    ];
  });
  return [...heading(title, unit), ...drawn, ...limitAt(limit, scale, 62 + step * bars.length), ...legend(kinds)];
}

const spreadAcross = (from, to, y) =>
  to - from < 1
    ? []
    : [line("spread", from, y, to, y), line("spread", from, y - 4, from, y + 4), line("spread", to, y - 4, to, y + 4)];

function limitAt(limit, scale, bottom) {
  if (limit === undefined) return [];
  const x = LABELS + limit.value * scale;
  return [line("limit", x, 56, x, bottom + 6), text(x, 50, limit.label, { anchor: "middle", kind: "faint" })];
}

const legend = (kinds) =>
  kinds.flatMap((kind, index) => [
    `<rect class="bar ${"abc"[index]}" x="${16 + index * 165}" y="${PANEL.height - 24}" width="12" height="12"/>`,
    text(34 + index * 165, PANEL.height - 13, kind),
  ]);

const PLOT = { left: 62, right: PANEL.width - 24, top: 62, bottom: PANEL.height - 62 };

/** Lines over steps that are named; `log` has a scale of powers of ten. Each point is a figure. */
export function linePanel({ title, unit, steps, across, lines, log = false }) {
  const points = lines.flatMap(({ points: all }) => all);
  const top = Math.max(...points.map(({ max }) => max));
  const bottom = log ? 10 ** Math.floor(Math.log10(Math.min(...points.map(({ min }) => min)))) : 0;
  const share = log ? (v) => Math.log10(v / bottom) / Math.log10(top / bottom) : (v) => v / top;
  const y = (value) => PLOT.bottom - share(value) * (PLOT.bottom - PLOT.top);
  const x = (step) => PLOT.left + 20 + (step * (PLOT.right - PLOT.left - 40)) / Math.max(1, steps.length - 1);
  const rules = ruleValues(bottom, top, log).flatMap((value) => [
    line("rule", PLOT.left, y(value), PLOT.right, y(value)),
    text(PLOT.left - 8, y(value) + 4, value.toLocaleString("en-US"), { anchor: "end", kind: "faint" }),
  ]);
  const drawn = lines.flatMap(({ points: all }, index) => {
    const path = all.map(({ median }, step) => `${step === 0 ? "M" : "L"}${at(x(step))} ${at(y(median))}`).join("");
    const marks = all.flatMap(({ min, median, max }, step) => [
      line(`spread`, x(step), y(min), x(step), y(max)),
      `<circle class="${"abc"[index]}" cx="${at(x(step))}" cy="${at(y(median))}" r="3.5"/>`,
    ]);
    return [`<path class="line ${"abc"[index]}" style="fill:none" d="${path}"/>`, ...marks];
  });
  const named = steps.map((step, index) => text(x(index), PLOT.bottom + 18, step, { anchor: "middle", kind: "faint" }));
  const kinds = lines.map(({ label }) => label);
  return [
    ...heading(title, unit),
    ...rules,
    ...named,
    text(PLOT.right, 44, across, { anchor: "end", kind: "faint" }),
    ...drawn,
    ...legend(kinds),
  ];
}

function ruleValues(bottom, top, log) {
  if (log) return Array.from({ length: Math.floor(Math.log10(top / bottom)) + 1 }, (_, power) => bottom * 10 ** power);
  const raw = top / 4;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((times) => times * unit).find((value) => value >= raw) ?? raw;
  return Array.from({ length: Math.floor(top / step) + 1 }, (_, index) => Number((index * step).toPrecision(6)));
}
