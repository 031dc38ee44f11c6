# fish completion for report: its options, asked of the program itself, and files.
complete -c report -n 'string match -q -- "-*" (commandline -ct)' -f \
    -a '(report --help 2>/dev/null | string match -ar -- "--[a-z][a-z-]*" | sort -u)'
