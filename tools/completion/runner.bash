# bash completion for runner and report. Commands, options and settings are asked of the programs themselves, so they are
# never out of date.

_runner_options() {
  "$@" --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*=\{0,1\}' | sort -u
}

_runner_reply() {
  local word=$1 candidate
  shift
  COMPREPLY=()
  for candidate in "$@"; do
    if [[ $candidate == "$word"* ]]; then COMPREPLY+=("$candidate"); fi
  done
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}

_runner() {
  local word=${COMP_WORDS[COMP_CWORD]} command=run commands
  commands=$("$1" --help 2>/dev/null | sed -n 's/^  \([a-z]*\)  .*/\1/p')
  if [[ $COMP_CWORD -gt 1 ]] && grep -qx -- "${COMP_WORDS[1]}" <<<"$commands"; then command=${COMP_WORDS[1]}; fi
  local -a candidates=()
  if [[ $word == -* ]]; then
    mapfile -t candidates < <(_runner_options "$1" "$command")
  elif [[ $command == help ]]; then
    mapfile -t candidates < <("$1" help settings 2>/dev/null | sed -n 's/^\([a-z0-9_.]*\)  .*/\1/p'
      "$1" help layers 2>/dev/null | sed -n 's/^\([A-Za-z0-9]*\)  .*/\1/p')
  else
    mapfile -t candidates < <(compgen -f -- "$word")
    if [[ $COMP_CWORD -eq 1 ]]; then
      local -a names
      mapfile -t names <<<"$commands"
      candidates+=("${names[@]}")
    elif [[ -n $word && $word != */* ]]; then
      local -a keys
      mapfile -t keys < <("$1" help settings 2>/dev/null | sed -n 's/^\([a-z0-9_.]*\)  .*/\1=/p')
      candidates+=("${keys[@]}")
    fi
    compopt -o filenames 2>/dev/null
  fi
  _runner_reply "$word" "${candidates[@]}"
}

_runner_report() {
  local word=${COMP_WORDS[COMP_CWORD]}
  local -a candidates=()
  if [[ $word == -* ]]; then
    mapfile -t candidates < <(_runner_options "$1")
  else
    mapfile -t candidates < <(compgen -f -- "$word")
    compopt -o filenames 2>/dev/null
  fi
  _runner_reply "$word" "${candidates[@]}"
}

complete -F _runner runner
complete -F _runner_report report
