import { type CompletionEntry, type Offer, valueWords } from "./completion-table.js";

/** For fish 3 and later. */
export function fishCompletion(program: string, table: readonly CompletionEntry[]): string {
  const name = `__${program}`;
  return `# fish completion for ${program}: put it into ~/.config/fish/completions/${program}.fish, or source it.

# Each of these prints a word a line, with what it is for behind a tab.
function ${name}_commands
    switch "$argv[1]"
${table.flatMap((entry) => offerCases(entry.at, entry.commands)).join("\n")}
    end
end

function ${name}_options
    switch "$argv[1]"
${table.flatMap((entry) => offerCases(entry.at, entry.options)).join("\n")}
    end
end

# What the argument of that number of a command may be, and what the value of an option; nothing where there is none.
function ${name}_argument
    switch "$argv[1]:$argv[2]"
${table.flatMap(argumentCases).join("\n")}
    end
end

function ${name}_value
    switch "$argv[1]:$argv[2]"
${table.flatMap(valueCases).join("\n")}
    end
end

# $argv[1] is the word that is typed, $argv[2..] what it may be.
function ${name}_offer
    switch "$argv[2]"
        case '' ':any'
        case ':file'
            __fish_complete_path $argv[1]
        case ':directory'
            __fish_complete_directories $argv[1]
        case '*'
            printf '%s\\n' $argv[2..-1]
    end
end

function ${name}_complete
    set -l line (commandline -opc)
    set -l current (commandline -ct)
    set -l at ''
    set -l want
    set -l ended
    set -l count 0
    for word in $line[2..-1]
        if test -n "$want"
            set want
        else if test -n "$ended"; or not string match -qr -- '^-.' $word
            if test -z "$ended" -a $count -eq 0; and contains -- $word (${name}_commands "$at" | string replace -r '\\t.*' '')
                set at (string trim -- "$at $word")
            else
                set count (math $count + 1)
            end
        else if test "$word" = --
            set ended 1
        else if not string match -q -- '*=*' $word
            set want (${name}_value "$at" $word)
        end
    end
    set -l below (${name}_commands "$at")
    if test -n "$want"
        ${name}_offer "$current" $want
    else if test -z "$ended"; and string match -qr -- '^--.+=' $current
        set -l parts (string split -m 1 = -- $current)
        for value in (${name}_offer "$parts[2]" (${name}_value "$at" $parts[1]))
            echo "$parts[1]=$value"
        end
    else if test -z "$ended"; and string match -q -- '-*' $current
        ${name}_options "$at"
    else if test $count -eq 0 -a -n "$below"
        printf '%s\\n' $below
    else
        ${name}_offer "$current" (${name}_argument "$at" $count)
    end
end

complete -c ${program} -e
complete -c ${program} -f -a '(${name}_complete)'
`;
}

function offerCases(at: string, offers: readonly Offer[]): readonly string[] {
  if (offers.length === 0) return [];
  const words = offers.map(({ word, meaning }) => ` \\\n                ${quoted(word)} ${quoted(meaning)}`);
  return [`        case ${quoted(at)}`, `            printf '%s\\t%s\\n'${words.join("")}`];
}

function argumentCases({ at, arguments: values, rest }: CompletionEntry): readonly string[] {
  return [
    ...values.flatMap((value, index) => printing(quoted(`${at}:${index}`), valueWords(value))),
    ...printing(quoted(`${at}:*`), valueWords(rest)),
  ];
}

function valueCases({ at, valued }: CompletionEntry): readonly string[] {
  return valued.flatMap(({ flags, values }) =>
    printing(flags.map((flag) => quoted(`${at}:${flag}`)).join(" "), valueWords(values)),
  );
}

function printing(patterns: string, words: readonly string[]): readonly string[] {
  return [`        case ${patterns}`, `            printf '%s\\n' ${words.map(quoted).join(" ")}`];
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
