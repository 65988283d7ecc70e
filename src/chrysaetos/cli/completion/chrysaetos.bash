_chrysaetos() {
    local IFS=$'\n'
    COMPREPLY=($(chrysaetos complete --words "${COMP_WORDS[@]:1:COMP_CWORD}" </dev/null 2>/dev/null))
    [[ -z "$COMPREPLY" ]] || compopt -o nospace 2>/dev/null
    # Two completions keep the quotation open.
    [[ "${#COMPREPLY[@]}" != 1 || "$COMPREPLY" == *" " ]] || COMPREPLY+=("$COMPREPLY ")
}
complete -o default -F _chrysaetos chrysaetos
