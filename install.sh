#!/bin/sh
# Runs the demo or the tests from this clone, or installs the agent for this user.
# POSIX sh, no root, safe to run again or to interrupt. It reads from the bottom up:
# `main` chooses, the sections above it do the work.
set -eu

usage() {
    cat <<'END'
usage: ./install.sh [--dry-run]                   install the agent for this user
       ./install.sh [--dry-run] demo [options]    run `edgeproof demo` from this clone
       ./install.sh [--dry-run] test [stage...]   run the checks and tests of this clone
       ./install.sh [--dry-run] --uninstall [--purge]
       ./install.sh --help

  --dry-run     print each step and change nothing
  --uninstall   remove what installing the agent put in place; keeps its keys
  --purge       with --uninstall: remove the agent's keys and state too

The agent goes to ~/.local/share/edgeproof, with its command in ~/.local/bin; the demo
and the tests use .venv in this clone. EDGEPROOF_PYTHON names the Python to use.
END
}

# ---- Saying things ------------------------------------------------------------------

say() { printf '%s\n' "edgeproof: $*"; }

# One line: what is wrong, and the command that fixes it.
fail() {
    [ ! -t 2 ] || printf '\r\033[K' >&2
    printf '%s\n' "edgeproof: $1; run: $2" >&2
    exit 1
}

wrong_usage() {
    printf '%s\n' "edgeproof: $1" >&2
    usage >&2
    exit 2
}

# Announces a step; succeeds when the step is to be done, so not in a dry run.
step() {
    if [ "$dry_run" = yes ]; then
        say "would $*"
        return 1
    fi
    say "$*"
}

# "$1" as it would be typed: quoted only where the shell would split it.
quoted() {
    case $1 in
    *[!A-Za-z0-9_./+~=:,@%-]*) printf "'%s'" "$1" ;;
    *) printf '%s' "$1" ;;
    esac
}

# ---- Long commands: noise in a log, failures in one line ----------------------------

work= # a temporary folder of this run: the log and setuptools' build files
job=  # the running command, to be stopped with this script

open_log() {
    [ -z "$work" ] || return 0
    work=$(mktemp -d "${TMPDIR:-/tmp}/edgeproof-install.XXXXXX" 2>/dev/null) ||
        fail "cannot write in ${TMPDIR:-/tmp}" "TMPDIR=\"\$HOME\" $again"
    log=$work/log
    # Left in the clone, build/ would put files that are long deleted in later wheels.
    {
        printf '[build]\nbuild_base = %s/build\n' "$work"
        [ "$editable" = yes ] || printf '[egg_info]\negg_base = %s\n' "$work"
    } >"$work/distutils.cfg" || fail "cannot write in $work" "df -h $(quoted "$work")"
}

close_log() {
    [ -z "$work" ] || rm -rf "$work"
    work=
}

interrupted() {
    trap - INT TERM HUP
    [ -z "$job" ] || kill "$job" 2>/dev/null || :
    close_log
    exit 130
}

# Runs a command, silent but for the seconds going by on a terminal.
quietly() {
    "$@" >>"$log" 2>&1 </dev/null &
    job=$!
    if [ -t 2 ]; then
        seconds=0
        while kill -0 "$job" 2>/dev/null; do
            printf '\r  %d s ' "$seconds" >&2
            sleep 1
            seconds=$((seconds + 1))
        done
        printf '\r\033[K' >&2
    fi
    status=0
    wait "$job" || status=$?
    job=
    return "$status"
}

free_megabytes() { df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }'; }

# Turns the log of a failed command into the line that a person needs.
explain() {
    pip_cache=$(quoted "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pip")
    for folder in "$(dirname "$venv")" "${TMPDIR:-/tmp}"; do
        left=$(free_megabytes "$folder")
        if [ "${left:-9999}" -lt 20 ] ||
            { [ "${left:-9999}" -lt "$needed" ] && logged 'No space left on device|Errno 28'; }; then
            discard_unfinished
            fail "the disk of $folder is full: $left MB left, about $needed MB needed (log: $log)" \
                "rm -rf $pip_cache, or move TMPDIR, then $again"
        fi
    done
    if logged 'No space left on device|Disk quota exceeded|Errno 28|Errno 122'; then
        discard_unfinished
        fail "the disk or your quota is full (log: $log)" "rm -rf $pip_cache, then $again"
    fi
    if logged 'name resolution|Name or service not known|nodename nor servname|NewConnectionError|Max retries exceeded|ConnectTimeout|ReadTimeout|Read timed out|Network is unreachable|Connection refused|Cannot connect to proxy|Could not fetch URL'; then
        fail "no network: pip cannot reach its package index (log: $log)" \
            "$again once it is back, or behind a proxy: HTTPS_PROXY=http://host:port $again"
    fi
    if logged 'Read-only file system|Permission denied|Errno 13|Errno 30'; then
        fail "$1 failed: $venv is read-only or not yours (log: $log)" \
            "rm -rf $(quoted "$venv") && $again"
    fi
    fail "$1 failed" "tail -n 20 $log"
}

logged() { grep -q -i -E "$1" "$log" 2>/dev/null; }

# ---- Finding a Python ---------------------------------------------------------------

version_of() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }

recent_enough() {
    case $1 in
    3.[0-9] | 3.[0-9].* | 3.10 | 3.10.* | [0-2].*) return 1 ;;
    [0-9]*.[0-9]*) return 0 ;;
    *) return 1 ;;
    esac
}

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Sets python and python_version. Each candidate is run, since a name on PATH may be a
# stub (pyenv's shims); one that lacks the venv module is the second choice.
find_python() {
    python='' second='' too_old=''
    if [ -n "${EDGEPROOF_PYTHON:-}" ]; then
        python_version=$(version_of "$EDGEPROOF_PYTHON") ||
            fail "EDGEPROOF_PYTHON=$EDGEPROOF_PYTHON does not run" "unset EDGEPROOF_PYTHON"
        recent_enough "$python_version" ||
            fail "EDGEPROOF_PYTHON is Python $python_version, 3.11 or newer is needed" \
                "unset EDGEPROOF_PYTHON"
        python=$(command -v "$EDGEPROOF_PYTHON")
        return
    fi
    for name in python3.13 python3.12 python3.11 python3; do
        candidate=$(command -v "$name") || continue
        version=$(version_of "$candidate") || continue
        if ! recent_enough "$version"; then
            too_old=$version
        elif has_venv "$candidate"; then
            python=$candidate
            break
        elif [ -z "$second" ]; then
            second=$candidate
        fi
    done
    python=${python:-$second}
    if [ -z "$python" ]; then
        found="no Python found"
        [ -z "$too_old" ] || found="Python $too_old is too old"
        fail "$found, 3.11 or newer is needed" "$(command_for_python)"
    fi
    python_version=$(version_of "$python")
}

# The command that installs a Python on this system, where its packages have one.
command_for_python() {
    as_root="sudo "
    [ "$(id -u)" != 0 ] || as_root=
    if command -v apt-get >/dev/null; then
        for minor in 13 12 11; do
            if apt-cache show "python3.$minor-venv" >/dev/null 2>&1; then
                echo "${as_root}apt-get install python3.$minor python3.$minor-venv"
                return
            fi
        done
    elif command -v dnf >/dev/null; then
        echo "${as_root}dnf install python3.12"
        return
    elif command -v pacman >/dev/null; then
        echo "${as_root}pacman -S python"
        return
    elif command -v brew >/dev/null; then
        echo "brew install python@3.13"
        return
    fi
    echo "pyenv install 3.13 && EDGEPROOF_PYTHON=\"\$(pyenv prefix 3.13)/bin/python\" $again"
}

# Debian splits the venv module off; there, root gets it at once, others the command.
require_venv_module() {
    ! has_venv "$python" || return 0
    minor=${python_version#3.}
    package=python3.${minor%%.*}-venv
    system=$(version_of /usr/bin/python3) || system=
    [ "$system" != "$python_version" ] || package=python3-venv
    if ! command -v apt-get >/dev/null; then
        fail "$python lacks the venv module" "$(command_for_python)"
    elif [ "$(id -u)" != 0 ]; then
        fail "$python lacks the venv module" "sudo apt-get install $package"
    elif step "install $package with apt-get"; then
        open_log
        quietly apt-get update || : # an old list may do
        quietly env DEBIAN_FRONTEND=noninteractive apt-get install -y "$package" ||
            explain "apt-get install $package"
        has_venv "$python" ||
            fail "$python lacks the venv module, also with $package installed" \
                "EDGEPROOF_PYTHON=/usr/bin/python3 $again"
    fi
}

# ---- The virtual environment --------------------------------------------------------
# A new one carries $unfinished, with our process id, until its first installation is
# complete: whatever stops us before, the next run starts it afresh. Stamps in it tell
# which extras are installed, from which pyproject.toml, on which Python.

discard_unfinished() { [ ! -e "$unfinished" ] || rm -rf "$venv"; }

# Removes what cannot be used; leaves alone what is not a virtual environment.
clear_broken_environment() {
    [ -e "$venv" ] || return 0
    if [ -e "$unfinished" ]; then
        builder=$(cat "$unfinished" 2>/dev/null) || builder=
        if [ -n "$builder" ] && kill -0 "$builder" 2>/dev/null; then
            fail "another install.sh, process $builder, is at work in $venv" \
                "$again when it has ended"
        fi
        reason="it is half made"
    elif [ ! -e "$venv/pyvenv.cfg" ]; then
        fail "$venv is in the way and no virtual environment" \
            "mv $(quoted "$venv") $(quoted "$venv.old") && $again"
    elif ! installed_version=$(version_of "$venv/bin/python"); then
        reason="its Python is gone"
    elif ! recent_enough "$installed_version"; then
        reason="its Python $installed_version is too old"
    elif [ -n "${EDGEPROOF_PYTHON:-}" ] &&
        [ "$installed_version" != "$(version_of "$EDGEPROOF_PYTHON")" ]; then
        reason="EDGEPROOF_PYTHON is another version"
    else
        return 0
    fi
    ! step "remove $venv: $reason" || rm -rf "$venv"
}

make_environment() {
    [ "$dry_run" != yes ] || [ ! -e "$venv/bin/python" ] || return 0
    [ ! -e "$venv" ] || return 0
    find_python
    require_venv_module
    step "make $venv with Python $python_version" || return 0
    make_folder "$venv"
    echo $$ 2>/dev/null >"$unfinished" || explain "making $venv"
    open_log
    quietly "$python" -m venv "$venv" || explain "making $venv"
}

# What the installed packages depend on. Without --editable they are a copy, so every
# file of the packages counts.
fingerprint() {
    {
        cksum <pyproject.toml
        version_of "$venv/bin/python"
        pwd -P
        [ "$editable" = yes ] ||
            find -L src/edgeproof -type f ! -name '*.py[co]' -exec cksum {} + | sort
    } | cksum
}

# Installs this clone with the extras "$1"; the stamps of "$2", which it includes, too.
install_packages() {
    stamp=$venv/.edgeproof-$1
    if [ ! -e "$unfinished" ] && [ -e "$stamp" ] &&
        [ "$(cat "$stamp")" = "$(fingerprint)" ]; then
        return 0
    fi
    step "install edgeproof[$1] with pip (a few minutes the first time)" || return 0
    open_log
    python=$venv/bin/python
    target=.[$1]
    if [ "$editable" = yes ]; then set -- "$1" "${2:-}" -e; else set -- "$1" "${2:-}"; fi
    included=$2
    shift 2
    quietly env DIST_EXTRA_CONFIG="$work/distutils.cfg" PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$python" -m pip install --no-input "$@" "$target" || explain "pip install"
    fingerprint >"$stamp"
    [ -z "$included" ] || cp "$stamp" "$venv/.edgeproof-$included"
    rm -f "$unfinished"
}

prepare() {
    unfinished=$venv/.edgeproof-unfinished
    clear_broken_environment
    make_environment
    install_packages "$@"
    close_log
}

# Makes a folder and its parents, and records those that were missing, so that
# uninstalling removes them again and no others.
made=
make_folder() {
    ancestor=$1
    while [ ! -d "$ancestor" ]; do
        made="$made$ancestor
"
        ancestor=$(dirname "$ancestor")
    done
    problem=$(LC_ALL=C mkdir -p "$1" 2>&1 && LC_ALL=C mktemp "$1/.writable.XXXXXX" 2>&1) || {
        case $problem in
        *'No space'* | *quota*)
            fail "the disk of $ancestor is full" \
                "df -h $(quoted "$ancestor"), free $needed MB, then $again"
            ;;
        *) fail "cannot write in $ancestor: it is read-only or not yours" "$elsewhere" ;;
        esac
    }
    rm -f "$problem"
}

# ---- What the user asked for --------------------------------------------------------

run_demo() {
    venv=$root/.venv
    prepare agent,coordinator
    if step "run .venv/bin/edgeproof demo${*:+ $*}"; then
        exec "$venv/bin/edgeproof" demo "$@"
    fi
}

run_tests() {
    venv=$root/.venv needed=2500
    # A mistyped stage should not cost the minutes of an installation.
    stages_python=$venv/bin/python
    if ! version_of "$stages_python" >/dev/null; then
        find_python
        stages_python=$python
    fi
    "$stages_python" tests/stages.py --check "$@" || exit 2
    prepare dev agent,coordinator
    if step "run .venv/bin/python tests/stages.py${*:+ $*}"; then
        exec "$venv/bin/python" tests/stages.py "$@"
    fi
}

locate_agent() {
    case ${HOME:-} in
    /*) ;;
    *) fail "HOME is not set to a folder" "HOME=/path/to/your/home $again" ;;
    esac
    data=$HOME/.local/share/edgeproof
    state=$HOME/.local/state/edgeproof
    # The XDG specification: a relative path is to be ignored.
    case ${XDG_DATA_HOME:-} in /*) data=$XDG_DATA_HOME/edgeproof ;; esac
    case ${XDG_STATE_HOME:-} in /*) state=$XDG_STATE_HOME/edgeproof ;; esac
    venv=$data/venv
    bin=$HOME/.local/bin
    link=$bin/edgeproof
    elsewhere="HOME=/a/folder/you/can/write $again"
}

link_is_ours() { [ -L "$link" ] && [ "$(readlink "$link")" = "$venv/bin/edgeproof" ]; }

install_agent() {
    locate_agent
    editable=no
    if ! link_is_ours && { [ -e "$link" ] || [ -L "$link" ]; }; then
        fail "$link exists and is not this script's" \
            "mv $(quoted "$link") $(quoted "$link.old") && $again"
    fi
    if [ "$dry_run" != yes ]; then
        make_folder "$data"
        printf '%s' "$made" >>"$data/created-folders"
        made=
        make_folder "$bin"
        printf '%s' "$made" >>"$data/created-folders"
    fi
    extras=agent
    if command -v nvidia-smi >/dev/null; then
        say "an NVIDIA card is here: its kernels are installed too, some 900 MB"
        extras=agent,cuda needed=2500
    fi
    prepare "$extras"
    if ! link_is_ours && step "link $link to $venv/bin/edgeproof"; then
        ln -s "$venv/bin/edgeproof" "$link"
    fi
    [ "$dry_run" != yes ] || return 0
    command=edgeproof
    case :$PATH: in
    *":$bin:"*) ;;
    *) command=$link ;;
    esac
    say "the agent is installed. Next:"
    if [ "$command" != edgeproof ]; then
        echo "  export PATH=\"$bin:\$PATH\"      (or give the full path, as below)"
    fi
    command=$(quoted "$command")
    echo "  $command agent enrol --network URL --owner-key-file FILE     join a network"
    echo "  $command agent run          prove work and earn, until stopped"
    echo "  $command agent status       see what the network said of this machine"
}

uninstall_agent() {
    locate_agent
    folders=$(sort -r -u "$data/created-folders" 2>/dev/null) || folders=
    if link_is_ours && step "remove $link"; then rm -f "$link"; fi
    if [ -e "$venv" ] && step "remove $venv"; then rm -rf "$venv"; fi
    if [ "$purge" = yes ] && [ -e "$state" ] &&
        step "remove the agent's keys and state, $state"; then
        rm -rf "$state"
    fi
    if [ -n "$folders" ] && step "remove the folders that it made, where now empty"; then
        rm -f "$data/created-folders"
        # Sorted backwards, a folder comes before its parent.
        printf '%s\n' "$folders" | while IFS= read -r folder; do
            rmdir "$folder" 2>/dev/null || : # others use it by now
        done
    elif [ "$dry_run" != yes ]; then
        rm -f "$data/created-folders"
    fi
    if [ "$purge" != yes ] && [ -e "$state" ]; then
        say "kept your keys and state in $state (--purge removes them)"
    fi
}

main() {
    trap interrupted INT TERM HUP
    # Before the change of folder: how the user called us, for the hints.
    again=$(quoted "$0")
    case $0 in
    */*) ;;
    *) again="sh $again" ;;
    esac
    root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
    dry_run=no uninstall=no purge=no editable=yes
    needed=1000 # megabytes of disk
    for argument do
        shift
        case $argument in
        # Wherever it stands: nobody who types it wants anything changed.
        --dry-run) dry_run=yes ;;
        *) set -- "$@" "$argument" ;;
        esac
    done
    for argument do again="$again $(quoted "$argument")"; done
    elsewhere="cp -R $(quoted "$root") /a/folder/you/can/write, then $again there"
    cd "$root"

    case ${1:-} in
    demo)
        shift
        run_demo "$@"
        ;;
    test)
        shift
        run_tests "$@"
        ;;
    *)
        for argument do
            case $argument in
            -h | --help)
                usage
                exit 0
                ;;
            --uninstall) uninstall=yes ;;
            --purge) purge=yes ;;
            *) wrong_usage "unknown argument: $argument" ;;
            esac
        done
        if [ "$uninstall" = yes ]; then
            uninstall_agent
        elif [ "$purge" = yes ]; then
            wrong_usage "--purge goes with --uninstall"
        else
            install_agent
        fi
        ;;
    esac
}

main "$@"
