#compdef chrysaetos
_chrysaetos() {
    local -a before=(${(Q)words[2,CURRENT-1]}) found
    # A word without quotes has a backslash there.
    local word="${compstate[all_quotes]#\\}$PREFIX" each
    found=(${(f)"$(chrysaetos complete --words "${before[@]}" "$word" </dev/null 2>/dev/null)"})
    for each in $found; do
        if [[ "$each" == *' ' ]]; then compadd -- "${each% }"; else compadd -S '' -- "$each"; fi
    done
    (( $#found )) || _files
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _chrysaetos chrysaetos
