# bash completion for clipq. Commands and options are asked from the program, so they cannot be out of date.
_clipq() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]:-} kind=
    [[ $command == bench || $command == tune ]] && [ "$COMP_CWORD" -gt 2 ] && kind=${COMP_WORDS[2]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(clipq help 2> /dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p') --version" -- "$word")
    elif [[ $command == bench && $COMP_CWORD -eq 2 && $word != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(clipq help bench 2> /dev/null | sed -n 's/^\([a-z0-9][a-z0-9]*\)   .*/\1/p')" -- "$word")
    elif [[ $command == tune && $COMP_CWORD -eq 2 && $word != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W kernels -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(clipq help "$command" $kind 2> /dev/null | grep -o -- '--[a-z][a-z-]*' | sort -u)" -- "$word")
    elif [[ $before == --state ]]; then
        mapfile -t COMPREPLY < <(compgen -W "pending running done partial failed dead cancelled" -- "$word")
    elif [[ $before == --progress || $before == --color ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(clipq help "$command" $kind 2> /dev/null | sed -n "s/^ *$before \([a-z|]*\).*/\1/p" | tr '|' ' ')" -- "$word")
    else
        compopt -o default
    fi
}
complete -F _clipq clipq
