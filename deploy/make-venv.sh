#!/bin/sh
# Makes the virtual environment $2 with the interpreter $1, or brings it up to the requirements.
set -eu
python=$1 venv=$2

if ! command -v "$python" >/dev/null; then
    echo "There is no $python here: install Python 3.11 or later, or name one: make PYTHON=/path/to/python3" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$("$python" --version) is too old: Marquee needs 3.11 or later: make PYTHON=/path/to/python3" >&2
    exit 1
fi
# Debian keeps the part of venv that brings pip in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv >/dev/null
    else
        echo "$python has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv), then try again." >&2
        exit 1
    fi
fi
# A moved checkout leaves a .venv whose scripts point elsewhere: make it anew.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv"
echo "Installing the requirements into $venv (once, and again when they change) ..." >&2
"$venv/bin/python" -m pip install -q -q --disable-pip-version-check -r requirements-dev.txt
