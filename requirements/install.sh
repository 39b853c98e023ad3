#!/bin/sh
# Makes .venv and installs the pinned packages of requirements/$1.txt; quick when nothing changed.
# Needs Python 3.11 or newer with its venv module, nothing else. PYTHON names another interpreter.
set -eu
cd "$(dirname "$0")/.."
pins="requirements/$1.txt"
stamp=".venv/.installed-$1-$(cksum < "$pins" | tr ' ' '-')"

say() { echo "$*" >&2; }
owner() { ls -ld "$1" | awk '{print $3}'; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; }

if [ -e .venv ]; then
    if ! new_enough .venv/bin/python; then
        if [ ! -w . ] || [ ! -w .venv ]; then
            say ".venv was made by $(owner .venv), with a Python that you cannot run. Remove it as that user: rm -rf .venv"
            exit 1
        fi
        say "The Python of .venv is gone or too old: making it anew."
        rm -rf .venv
    elif [ -e "$stamp" ]; then
        exit 0
    elif [ ! -w .venv ]; then
        say ".venv belongs to $(owner .venv), and packages must be installed in it."
        say "Run this as $(owner .venv), or remove .venv as that user (rm -rf .venv) and run it again."
        exit 1
    fi
fi

if [ ! -e .venv ]; then
    found=""
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if new_enough "$python"; then found="$python" && break; fi
    done
    if [ -z "$found" ]; then
        say "Python 3.11 or newer is needed and was not found. Install it (Debian: apt-get install python3 python3-venv),"
        say "or name it: make PYTHON=/path/to/python3 …"
        exit 1
    fi
    say "Making .venv with $("$found" --version)."
    if ! problem=$("$found" -m venv .venv 2>&1); then
        rm -rf .venv
        say "$problem"
        say "The virtual environment could not be made. On Debian its module is a package: apt-get install python3-venv"
        exit 1
    fi
fi

say "Installing the pinned packages of $pins (the first time this takes a minute)."
# The pins name every dependency, so nobody need look for more. uv is tried first because it is much faster; it does
# not read pip's settings, so it is told the index, and where it fails for any reason pip has its say.
fast() {
    index="${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2> /dev/null || true)}"
    if [ -n "$index" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"; fi
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-input --no-deps --require-hashes \
        -r requirements/install.txt || return 1
    .venv/bin/uv pip install -q --python .venv/bin/python --no-deps --require-hashes -r "$pins"
}
if ! fast > /dev/null 2>&1 && ! .venv/bin/python -m pip install -q --disable-pip-version-check --no-input --no-deps \
    --require-hashes -r "$pins" >&2; then
    say "The packages could not be installed. Is the network there? pip's own settings (PIP_INDEX_URL and so on) apply."
    exit 1
fi
rm -f ".venv/.installed-$1-"*
: > "$stamp"
