# shellcheck shell=bash
# bash completion for segctl. Verbs and options are asked of segctl itself.

_segctl_verbs() {
    segctl --help 2>/dev/null |
        sed -n '/^Options/q; s/^  \([a-z][a-z-]*\)  .*/\1/p'
}

_segctl_options() {
    segctl "$@" --help 2>/dev/null | sed -n '/^ *-/p' |
        grep -o -E -- '--[a-z][a-z-]*' | sort -u
}

# The names of the segments, one a line; needs an answer within a second.
_segctl_names() {
    timeout 1 segctl --quiet --json list 2>/dev/null |
        grep -o -E '"name":"[^"\\]+"' | cut -d '"' -f 4
}

_segctl_verb() {
    local word expect=
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ $expect ]]; then
            expect=
        elif [[ $word == --socket ]]; then
            expect=value
        elif [[ $word != -* && $word != = ]]; then
            printf '%s\n' "$word"
            return
        fi
    done
}

_segctl_who() {
    case $1 in
    user:*) compgen -P user: -u -- "${1#user:}" ;;
    group:*) compgen -P group: -g -- "${1#group:}" ;;
    *) compgen -W 'user: group: everyone' -- "$1" ;;
    esac
}

_segctl() {
    local current=${COMP_WORDS[COMP_CWORD]}
    local previous=${COMP_WORDS[COMP_CWORD-1]}
    local verb words=

    # The colon of user:NAME does not begin a word here.
    if [[ $COMP_WORDBREAKS == *:* ]] &&
        declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref -n : -c current -p previous
    fi
    COMPREPLY=()
    verb=$(_segctl_verb)
    case $previous in
    --socket | --file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --access) words='ro rw cow' ;;
    --if-exists) words='open fail' ;;
    --pages) words='default 2M 1G' ;;
    --share-read | --share-write)
        mapfile -t COMPREPLY < <(_segctl_who "$current")
        if declare -F __ltrim_colon_completions >/dev/null; then
            __ltrim_colon_completions "$current"
        fi
        [[ ${COMPREPLY[*]} != *: ]] || compopt -o nospace
        return
        ;;
    --size | --count | -c | --id | --fd | --uses | --expires | --timeout | \
        --wait | --numa)
        return
        ;;
    *)
        if [[ $current == -* ]]; then
            words=$(_segctl_options ${verb:+"$verb"})
        elif [[ ! $verb ]]; then
            words=$(_segctl_verbs)
        else
            case $verb in
            open | cat | info | remove | list | exec | put | create | share | \
                freeze | publish | revoke | signal | wait | watch)
                words=$(_segctl_names)
                ;;
            log-level) words='error warning info debug' ;;
            esac
        fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _segctl segctl
