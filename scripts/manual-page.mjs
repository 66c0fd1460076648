/**
 * A manual page in roff (the man macros) of a program's tree of commands, so that it never tells of another program
 * than --help does. Shapes are those of packages/shared/src/terminal/commands.
 */
export function manualPage({ program, version, section, date, tree, manual, errors, exitRows, environment }) {
  const isHelp = ({ path }) => path.at(-1) === "help";
  const descendants = (command) => command.commands.filter((one) => !isHelp(one)).flatMap(withBelow);
  const withBelow = (command) => [command, ...descendants(command)];
  const commands = descendants(tree).filter(({ acts }) => acts);
  const other = section === 1 ? "posternd (8)" : "postern (1)";
  return [
    '.\\" Made of the commands of the program when it was packed.',
    `.TH ${program.toUpperCase()} ${section} ${date} "Postern ${version}"`,
    ".SH NAME",
    ...prose(`${program} - ${lowered(tree.description)}`),
    ".SH SYNOPSIS",
    `.B ${program}`,
    text("[options] [command]"),
    ".SH DESCRIPTION",
    ...manual.about.flatMap((paragraph, index) => [...(index === 0 ? [] : [".PP"]), ...prose(paragraph)]),
    ".SH OPTIONS",
    "Every command takes these too.",
    ...tree.options.filter(({ flags }) => !flags.includes("--version")).flatMap(optionLines),
    ".PP",
    "Only the program itself takes this one.",
    ...tree.options.filter(({ flags }) => flags.includes("--version")).flatMap(optionLines),
    ".SH COMMANDS",
    ...commands.flatMap((command) => commandLines(program, command, manual)),
    ...section_("ENVIRONMENT", environment.flatMap(rowLines)),
    ...section_("FILES", manual.files.flatMap(rowLines)),
    ".SH EXIT STATUS",
    ...exitRows.flatMap(rowLines),
    ...section_("EXAMPLES", exampleLines(program, tree, manual)),
    ".SH ERRORS",
    "Every failure has a stable code, which",
    ".B \\-\\-json",
    "prints. Behind it stands the exit status.",
    ...Object.entries(errors).flatMap(([code, { exit, message, hint }]) =>
      rowLines([`${code} (${exit})`, `${message}${hint === undefined ? "" : `; ${hint}`}`]),
    ),
    ".SH SEE ALSO",
    `.BR ${other}`,
    "",
  ].join("\n");
}

function section_(title, lines) {
  return lines.length === 0 ? [] : [`.SH ${title}`, ...lines];
}

function commandLines(program, command, manual) {
  const examples = exampleLines(program, command, manual);
  const described = command.arguments.filter(({ description }) => description !== "");
  return [
    `.SS ${text(command.usage.replace(" [options]", ""))}`,
    ...prose(sentence(command.description)),
    ...described.flatMap(({ term, description }) => rowLines([term, description])),
    ...command.options.filter(({ flags }) => !flags.includes("--help")).flatMap(optionLines),
    ...(examples.length === 0 ? [] : [".PP", "For example:", ...examples]),
  ];
}

function optionLines({ term, description, values, default: chosen }) {
  const choices = Array.isArray(values) ? [values.join(", ")] : [];
  const extra = [...choices, ...(chosen === undefined ? [] : [`default: ${chosen}`])];
  return rowLines([term, extra.length === 0 ? description : `${description} (${extra.join("; ")})`]);
}

function rowLines([term, meaning]) {
  return [".TP", `.B ${text(term)}`, ...prose(sentence(meaning))];
}

function exampleLines(program, { path }, { examples }) {
  return (examples[path.join(" ")] ?? []).flatMap(({ line, does }) => [
    ".TP",
    `.B ${text(`${program} ${line}`.trimEnd())}`,
    ...prose(sentence(does)),
  ]);
}

function sentence(phrase) {
  return /[.:]$/.test(phrase) ? phrase : `${phrase}.`;
}

/** The first sentence, as it stands behind a name. */
function lowered(phrase) {
  return phrase
    .replace(/\.$/, "")
    .replace(/^The /, "the ")
    .replace(/^Register/, "register");
}

const special = { "\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq" };

/** Text as roff takes it literally, on one line, and in ASCII, whatever the reader's locale. */
function text(phrase) {
  const escaped = phrase.replaceAll(/[\\\-'`^~"]|[^\n -~]/gu, (character) => special[character] ?? unicode(character));
  return escaped.replace(/^\./, "\\&.");
}

/** A paragraph, which roff fills, as lines of at most 80 columns. */
function prose(phrase) {
  const lines = text(phrase).match(/.{1,78}(?= |$)|\S+/g) ?? [];
  return lines.map((line) => line.trim().replace(/^\./, "\\&."));
}

function unicode(character) {
  return `\\[u${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;
}
