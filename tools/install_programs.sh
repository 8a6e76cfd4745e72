#!/bin/sh
# Install the programs named on the command line where they are missing: tools/install_programs.sh ffmpeg sox chromium
# Uses apt-get as root or through a sudo that asks nothing, or brew; otherwise prints the command to type and fails.
# Of what these print a terminal shows the last line alone; where they fail, all of it is shown.
set -eu

present() {
    if [ "$1" = chromium ]; then
        for name in chromium chromium-browser google-chrome google-chrome-stable; do
            if command -v "$name" >/dev/null 2>&1; then return 0; fi
        done
        test -d "/Applications/Chromium.app" || test -d "/Applications/Google Chrome.app"
    else
        command -v "$1" >/dev/null 2>&1
    fi
}

missing=""
for program in "$@"; do
    present "$program" || missing="$missing $program"
done
if [ -z "$missing" ]; then exit 0; fi
echo "missing:$missing"
printed=$(mktemp)
trap 'rm -f "$printed" "$printed.status"' EXIT
trap 'exit 130' INT TERM

# Run a command with its output in the file $printed, of which a terminal sees the last line; where it fails, all is shown.
quietly() {
    {
        if "$@" 2>&1; then echo 0 >"$printed.status"; else echo $? >"$printed.status"; fi
    } | while IFS= read -r line; do
        printf '%s\n' "$line" >>"$printed"
        if [ -t 1 ]; then printf '\r\033[K%.78s' "$line"; fi
    done
    if [ -t 1 ]; then printf '\r\033[K'; fi
    status=$(cat "$printed.status")
    if [ "$status" != 0 ]; then
        cat "$printed" >&2
        echo "error: exit status $status of: $*" >&2
        exit 1
    fi
}

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        as_root=env
    elif sudo -n true 2>/dev/null; then
        as_root="sudo env"
    else
        echo "error: not allowed to install; type: sudo apt-get install$missing" >&2
        exit 1
    fi
    quietly $as_root DEBIAN_FRONTEND=noninteractive apt-get update -q
    quietly $as_root DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
elif command -v brew >/dev/null 2>&1; then
    quietly brew install $missing
else
    echo "error: neither apt-get nor brew is here; install with your package manager:$missing" >&2
    exit 1
fi

for program in $missing; do
    if ! present "$program"; then
        cat "$printed" >&2
        echo "error: $program is still missing after the installation" >&2
        exit 1
    fi
done
