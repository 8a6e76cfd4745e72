#!/bin/sh
# Install the programs named on the command line where they are missing: tools/install_programs.sh ffmpeg sox chromium
# Uses apt-get as root or through a sudo that asks nothing, or brew; otherwise prints the command to type and fails.
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

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        as_root=env
    elif sudo -n true 2>/dev/null; then
        as_root="sudo env"
    else
        echo "error: not allowed to install; type: sudo apt-get install$missing" >&2
        exit 1
    fi
    $as_root DEBIAN_FRONTEND=noninteractive apt-get update -q
    $as_root DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
elif command -v brew >/dev/null 2>&1; then
    brew install $missing
else
    echo "error: neither apt-get nor brew is here; install with your package manager:$missing" >&2
    exit 1
fi

for program in $missing; do
    if ! present "$program"; then
        echo "error: $program is still missing after the installation" >&2
        exit 1
    fi
done
