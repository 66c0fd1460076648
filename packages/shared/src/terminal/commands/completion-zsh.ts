import { type CompletionEntry, type Offer, valueWords } from "./completion-table.js";

/** Works from a folder of `fpath`, as `_NAME`, and sourced behind compinit. */
export function zshCompletion(program: string, table: readonly CompletionEntry[]): string {
  const name = `_${program}`;
  return `#compdef ${program}
# zsh completion for ${program}: put it into a folder of fpath as ${name}, or source it behind compinit.

# Sets what may stand behind the command $1.
${name}_at() {
  subcommands=() flags=() operands=() rest=''
  case $1 in
${table.map(atCase).join("\n")}
  esac
}

# Sets what may be the value of the option $2 of the command $1; fails where it takes none.
${name}_value() {
  case $1:$2 in
${table.flatMap(valueCases).join("\n")}
    (*) return 1 ;;
  esac
}

${name}_offer() {
  case $1 in
    (:any|'') _message 'a value' ;;
    (:file) _files ;;
    (:directory) _files -/ ;;
    (*) compadd -- $@ ;;
  esac
}

${name}() {
  local -a subcommands flags operands allowed want
  local word rest at='' ended='' count=0 i
  ${name}_at ''
  for ((i = 2; i < CURRENT; i++)); do
    word=\${(Q)words[i]}
    if (( $#want )); then
      want=()
    elif [[ -n $ended || $word != -?* ]]; then
      if [[ -z $ended && -n $word && $count == 0 ]] && (( \${subcommands[(I)\${(b)word}:*]} )); then
        at=\${at:+$at }$word
        ${name}_at $at
      else
        (( count += 1 ))
      fi
    elif [[ $word == -- ]]; then
      ended=1
    elif [[ $word != *=* ]] && ${name}_value "$at" $word; then
      want=($allowed)
    fi
  done
  if (( ! $#want )) && [[ -z $ended && $PREFIX == --?*=* ]] && ${name}_value "$at" "\${PREFIX%%=*}"; then
    want=($allowed)
    compset -P '*='
  fi
  if (( $#want )); then
    ${name}_offer $want
  elif [[ -z $ended && $PREFIX == -* ]]; then
    _describe -o option flags
  elif [[ $count == 0 ]] && (( $#subcommands )); then
    _describe command subcommands
  else
    ${name}_offer \${(s: :)\${operands[count+1]:-$rest}}
  fi
}

if [[ $funcstack[1] == ${name} ]]; then
  ${name} "$@"
else
  compdef ${name} ${program}
fi
`;
}

function atCase({ at, commands, options, arguments: values, rest }: CompletionEntry): string {
  const kinds = values.map((value) => quoted(valueWords(value).join(" "))).join(" ");
  return `    (${quoted(at)})
      subcommands=(${commands.map(described).join(" ")})
      flags=(${options.map(described).join(" ")})
      operands=(${kinds}) rest=${quoted(valueWords(rest).join(" "))} ;;`;
}

function described({ word, meaning }: Offer): string {
  return quoted(`${word.replaceAll(":", "\\:")}:${meaning}`);
}

function valueCases({ at, valued }: CompletionEntry): readonly string[] {
  return valued.map(({ flags, values }) => {
    const patterns = flags.map((flag) => quoted(`${at}:${flag}`)).join("|");
    return `    (${patterns}) allowed=(${valueWords(values).map(quoted).join(" ")}) ;;`;
  });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
