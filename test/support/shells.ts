import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Shell, shells } from "@postern/shared/terminal/commands/completion";

/** Real shells, asked what they offer at the end of a line. */

export const installedShells = shells.filter((shell) => spawnSync(shell, ["--version"]).error === undefined);
for (const shell of shells) {
  if (!installedShells.includes(shell)) console.info(`${shell} is not installed: its completion is not tested`);
}

/** What a shell that has read a completion script offers for each line, by line; it stands in the folder `cwd`. */
export function offersOf(
  shell: Shell,
  script: string,
  lines: readonly string[],
  cwd: string = tmpdir(),
): ReadonlyMap<string, readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "postern-shell-"));
  try {
    const file = join(folder, "script");
    const driver = join(folder, "driver");
    writeFileSync(file, script);
    writeFileSync(driver, drivers[shell]);
    const options = shell === "bash" ? ["--norc", "--noprofile"] : [shell === "zsh" ? "-f" : "--no-config"];
    const { status, stdout, stderr, error } = spawnSync(shell, [...options, driver, file, ...lines], {
      cwd,
      env: { PATH: process.env["PATH"], HOME: folder, TERM: "xterm", LANG: "C.UTF-8" },
      encoding: "utf8",
      timeout: 50_000,
    });
    if (status !== 0 || stderr !== "") throw new Error(`${shell}: ${error?.message ?? ""} ${stderr}`);
    return parseOffers(stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Lines `> asked`, each with the words that were offered below it. */
function parseOffers(stdout: string): Map<string, readonly string[]> {
  const [, ...parts] = stdout.split(/^> /m);
  return new Map(
    parts.map((part) => {
      const [asked = "", ...words] = part.replace(/\n$/, "").split("\n");
      return [asked, words.sort()];
    }),
  );
}

/** Called with the script's path, and the lines; as readline does it, = and : are words of their own. */
const bash = `
source "$1"; shift
for asked in "$@"; do
  echo "> $asked"
  spaced=\${asked//=/ = }; spaced=\${spaced//:/ : }
  read -ra COMP_WORDS <<< "$spaced"
  [[ $spaced == *' ' && $asked != *[=:] ]] && COMP_WORDS+=('')
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  "_\${COMP_WORDS[0]}"
  ((\${#COMPREPLY[@]})) && printf '%s\\n' "\${COMPREPLY[@]}"
done
exit 0
`;

const fish = `
source $argv[1]
for asked in $argv[2..-1]
    echo "> $asked"
    complete -C "$asked" | string replace -r '\\t.*' ''
end
exit 0
`;

/** An interactive zsh in a pseudo-terminal, whose compadd says what it was given, and Tab. */
const zsh = `
zmodload zsh/zpty
file=$1; shift
cat > $HOME/said.zsh <<'SAID'
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  local -a hits
  builtin compadd -A hits "$@"
  (( $#hits )) && print -rl -- $'\\r\\noffer:'$^hits
  builtin compadd "$@"
}
bindkey '^I' complete-word
bindkey '^X' kill-whole-line
SAID
zpty shell zsh -f -i
until_it_says() {
  local out
  while zpty -r shell out; do
    [[ $out == *$1* ]] && return
    [[ $out == offer:* ]] && print -r -- \${\${\${out#offer:}%$'\\n'}%$'\\r'}
  done
}
zpty -w shell 'PS1= PS2= RPS1=; unsetopt prompt_cr prompt_sp; autoload -Uz compinit; compinit -D -u; stty -echo'
zpty -w shell "source $file; source $HOME/said.zsh; print re''ady"
until_it_says ready
for asked in "$@"; do
  print -r -- "> $asked"
  zpty -w -n shell "$asked"$'\\t\\x18'
  zpty -w shell "print do''ne"
  until_it_says done
done
zpty -d shell
`;

const drivers: Readonly<Record<Shell, string>> = { bash, zsh, fish };
