import { type CompletionEntry, valueWords } from "./completion-table.js";

/** For bash 3.2 and later, which is what macOS has; bash-completion need not be there. */
export function bashCompletion(program: string, table: readonly CompletionEntry[]): string {
  const name = `_${program}`;
  return `# bash completion for ${program}: source it, or put it where bash-completion looks.

# Sets what may stand behind the command $1.
${name}_at() {
  commands='' options='' arguments=() rest=''
  case $1 in
${table.map(atCase).join("\n")}
  esac
}

# Sets what may be the value of the option $2 of the command $1; fails where it takes none.
${name}_value() {
  case $1:$2 in
${table.flatMap(valueCases).join("\n")}
    *) return 1 ;;
  esac
}

${name}_offer() {
  case $1 in
    :any | '') ;;
    :file) compopt -o default 2>/dev/null || { local IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$cur")); } ;;
    :directory) compopt -o dirnames 2>/dev/null || { local IFS=$'\\n'; COMPREPLY=($(compgen -d -- "$cur")); } ;;
    *) COMPREPLY=($(compgen -W "$1" -- "$cur")) ;;
  esac
}

${name}() {
  local IFS=$' \\t\\n' word cur at='' values='' want='' commands options rest joined='' ended='' count=0 i
  local -a line=() arguments
  COMPREPLY=()
  # readline takes --option=value and host:port apart.
  for word in "\${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    if [[ \${#line[@]} -gt 0 && ( $joined || $word == [:=] ) ]]; then
      line[\${#line[@]}-1]+=$word
    else
      line[\${#line[@]}]=$word
    fi
    if [[ $word == [:=] ]]; then joined=1; else joined=''; fi
  done
  cur=\${line[\${#line[@]}-1]}
  ${name}_at ''
  for ((i = 1; i < \${#line[@]} - 1; i++)); do
    word=\${line[i]}
    if [[ $want ]]; then
      want=''
    elif [[ $ended || $word != -?* ]]; then
      if [[ ! $ended && $word && $count == 0 && " $commands " == *" $word "* ]]; then
        at=\${at:+$at }$word
        ${name}_at "$at"
      else
        count=$((count + 1))
      fi
    elif [[ $word == -- ]]; then
      ended=1
    elif [[ $word != *=* ]] && ${name}_value "$at" "$word"; then
      want=$values
    fi
  done
  if [[ ! $want && ! $ended && $cur == --?*=* ]] && ${name}_value "$at" "\${cur%%=*}"; then
    want=$values cur=\${cur#*=}
  fi
  if [[ $want ]]; then
    ${name}_offer "$want"
  elif [[ ! $ended && $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  elif [[ $count == 0 && $commands ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$cur"))
  else
    ${name}_offer "\${arguments[count]-$rest}"
  fi
}

complete -F ${name} ${program}
`;
}

function atCase({ at, commands, options, arguments: values, rest }: CompletionEntry): string {
  const words = (offers: CompletionEntry["commands"]) => quoted(offers.map(({ word }) => word).join(" "));
  const kinds = values.map((value) => quoted(valueWords(value).join(" "))).join(" ");
  return `    ${quoted(at)}) commands=${words(commands)} options=${words(options)} arguments=(${kinds}) rest=${quoted(valueWords(rest).join(" "))} ;;`;
}

function valueCases({ at, valued }: CompletionEntry): readonly string[] {
  return valued.map(({ flags, values }) => {
    const patterns = flags.map((flag) => quoted(`${at}:${flag}`)).join(" | ");
    return `    ${patterns}) values=${quoted(valueWords(values).join(" "))} ;;`;
  });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
