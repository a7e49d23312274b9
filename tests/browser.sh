#!/bin/sh
# The browser tests drive Debian's Chromium. Install it where that can be done without asking; elsewhere they say so.
set -eu
command -v chromium >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests"
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
else
    echo "No chromium here: the browser tests will be skipped. Install the package 'chromium' to run them." >&2
fi
