# Sourced by scripts/demo and scripts/test: virtual environments that are made once and remembered.
# shellcheck shell=bash
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

find_python() { # an interpreter that this package supports: 3.10 or newer, with venv and pip
    local p
    for p in "${PYTHON:-}" python3 python3.1{9,8,7,6,5,4,3,2,1,0}; do
        [ -n "$p" ] && command -v "$p" >/dev/null 2>&1 || continue
        if "$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$p"
            return
        fi
    done
    die "no Python 3.10 or newer with venv found; on Debian and Ubuntu: apt-get install python3 python3-venv"
}

make_venv() { # make_venv NAME EXTRA[,EXTRA...]: $ROOT/NAME with this package, editable. Nothing is fetched the second time.
    local dir=$ROOT/$1 want
    want="$2 $ROOT $(cksum <"$ROOT/pyproject.toml")"
    if [ -x "$dir/bin/python" ] && [ "$(cat "$dir/.made-for" 2>/dev/null)" = "$want" ]; then return; fi
    local python
    python=$(find_python)
    echo "setting up $1 ($("$python" -V), $2) ..." >&2
    rm -rf "$dir"
    "$python" -m venv "$dir"
    "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$ROOT[$2]" >&2
    echo "$want" >"$dir/.made-for"
}

as_root_settings() { # Open MPI refuses root unless told twice
    if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
}
