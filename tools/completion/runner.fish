# fish completion for runner. Commands, options and settings are asked of the program itself.

function __runner_commands
    runner --help 2>/dev/null | string match -r --groups-only '^  ([a-z]+)  +(.*)' | while read -l name
        read -l brief
        printf '%s\t%s\n' $name $brief
    end
end

function __runner_options
    set -l words (commandline -opc)
    set -l command run
    if set -q words[2]; and contains -- $words[2] (__runner_commands | string replace -r '\t.*' '')
        set command $words[2]
    end
    runner $command --help 2>/dev/null | string match -ar -- '--[a-z][a-z-]*' | sort -u
end

function __runner_settings
    runner help settings 2>/dev/null | string match -r --groups-only '^([a-z0-9_.]+)  +(.*)' | while read -l path
        read -l initial
        printf '%s=\t%s\n' $path $initial
    end
end

complete -c runner -n 'test (count (commandline -opc)) -eq 1' -a '(__runner_commands)'
complete -c runner -n 'string match -q -- "-*" (commandline -ct)' -f -a '(__runner_options)'
complete -c runner -n 'test (count (commandline -opc)) -gt 1' -a '(__runner_settings)'
