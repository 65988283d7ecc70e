function __chrysaetos_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (chrysaetos complete --words $words[2..] </dev/null 2>/dev/null | string trim --right)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c chrysaetos -f -a '(__chrysaetos_complete)'
