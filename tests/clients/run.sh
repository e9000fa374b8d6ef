#!/bin/bash
# run.sh [PDS_BINARY]   runs the client tests against a PDS started here (default: what `cargo build` made), with a PLC
#                       directory and an AppView beside it.
# With PDS_URL and PLC_URL set it starts nothing and tests those servers (APPVIEW_URL, PDS_ADMIN_PASSWORD optional).
# PDS_CLIENT_TESTS=firehose runs firehose.test.mjs only, and the Go and Python tests.
# Exit status 0 only if every Node, Go and Python test passed and the PDS stopped on SIGTERM.
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
dir="${PDS_CLIENTS_DIR:-$HOME/.cache/pds-clients}"
node="$dir/bin/node"
python="$dir/venv/bin/python3"
STOP_SECONDS=10

"$here/setup.sh" || exit 1

work="$(mktemp -d)"
declare -A pids=()
status=0

# stop NAME: SIGTERM, then SIGKILL after STOP_SECONDS; fails if the kill was needed.
stop() {
  local pid="${pids[$1]:-}"
  [ -n "$pid" ] || return 0
  unset "pids[$1]"
  kill "$pid" 2>/dev/null
  for _ in $(seq $((STOP_SECONDS * 10))); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null
  echo "$1 did not stop within $STOP_SECONDS s of SIGTERM" >&2
  return 1
}

finish() {
  stop pds || status=1
  stop reference
  stop mail
  stop appview
  stop plc
  if [ "$status" -ne 0 ] && [ -s "$work/pds.log" ]; then
    cp "$work/pds.log" "$dir/last-failure.log"
    echo "--- the end of the server's log (all of it: $dir/last-failure.log)" >&2
    tail -n 20 "$work/pds.log" | cut -c -300 >&2
  fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'status=130; exit' INT TERM

# start NAME URL COMMAND...: runs it in the background and waits until URL answers.
start() {
  local name=$1 url=$2
  shift 2
  "$@" >"$work/$name.log" 2>&1 </dev/null &
  pids[$name]=$!
  for _ in $(seq 300); do
    curl -sf -o /dev/null "$url" && return 0
    kill -0 "${pids[$name]}" 2>/dev/null || break
    sleep 0.1
  done
  echo "$name did not answer on $url" >&2
  tail -n 20 "$work/$name.log" >&2
  status=1
  exit 1
}

free_ports() {
  "$python" -c '
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))' "$1"
}

# Both servers mail to this sink.
start_mail() {
  read -r SMTP_PORT MAIL_HTTP_PORT < <(free_ports 2)
  export SMTP_PORT MAIL_HTTP_PORT MAIL_URL="http://127.0.0.1:$MAIL_HTTP_PORT"
  export PDS_EMAIL_SMTP_URL="smtp://127.0.0.1:$SMTP_PORT" PDS_EMAIL_FROM_ADDRESS=noreply@pds.test
  start mail "$MAIL_URL/mails" "$node" "$here/servers/mail.mjs"
}

# The reference PDS, if its scripts and packages are here.
start_reference() {
  local scripts packages
  scripts="$(realpath -m "${REFERENCE_DIR:-$here/../../../shared/reference}")"
  packages="${PDS_REFERENCE_DIR:-$HOME/.cache/pds-reference}"
  if [ ! -f "$scripts/servers/pds.mjs" ]; then
    echo "NOT RUN: migration.test.mjs: the reference PDS's scripts are missing at $scripts"
    return
  fi
  if ! cmp -s "$scripts/package-lock.json" "$packages/package-lock.json" && ! "$scripts/setup.sh"; then
    echo "NOT RUN: migration.test.mjs: the reference PDS's packages cannot be installed in $packages"
    return
  fi
  read -r REFERENCE_PORT < <(free_ports 1)
  export PDS_REFERENCE_DIR="$packages" REFERENCE_URL="http://localhost:$REFERENCE_PORT"
  mkdir -p "$work/reference/blocks"
  start reference "$REFERENCE_URL/xrpc/_health" env PDS_PORT="$REFERENCE_PORT" PDS_SERVICE_DID=did:web:reference.test \
    PDS_DATA_DIRECTORY="$work/reference" PDS_BLOBSTORE_DISK_LOCATION="$work/reference/blocks" \
    PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX=2f2e3d4c5b6a79880f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978 \
    "$packages/bin/node" "$scripts/servers/pds.mjs"
}

start_network() {
  local binary=$1
  read -r PLC_PORT APPVIEW_PORT PDS_PORT < <(free_ports 3)
  export PLC_PORT APPVIEW_PORT PDS_PORT
  export PLC_URL="http://localhost:$PLC_PORT" APPVIEW_URL="http://localhost:$APPVIEW_PORT" PDS_URL="http://localhost:$PDS_PORT"

  # The operator's settings. The secrets are public: they guard a server that lives for a minute on loopback.
  export PDS_HOSTNAME=localhost PDS_DEV_MODE=true
  export PDS_DATA_DIRECTORY="$work/data" PDS_BLOBSTORE_DISK_LOCATION="$work/data/blocks"
  export PDS_DID_PLC_URL="$PLC_URL" PDS_SERVICE_HANDLE_DOMAINS=.test PDS_INVITE_REQUIRED=true
  export PDS_BSKY_APP_VIEW_URL="$APPVIEW_URL" PDS_BSKY_APP_VIEW_DID="did:web:localhost%3A$APPVIEW_PORT"
  export PDS_DISABLE_SSRF_PROTECTION=true PDS_RATE_LIMITS_ENABLED=false
  export PDS_ADMIN_PASSWORD=client-tests-admin PDS_JWT_SECRET=00112233445566778899aabbccddeeff
  export PDS_DPOP_SECRET=5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
  export PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX=1f2e3d4c5b6a79880f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978
  export LOG_ENABLED=true LOG_LEVEL="${LOG_LEVEL:-info}"
  mkdir -p "$PDS_BLOBSTORE_DISK_LOCATION"

  start plc "$PLC_URL/_health" "$node" "$here/servers/plc.mjs"
  start appview "$APPVIEW_URL/.well-known/did.json" "$node" "$here/servers/appview.mjs"
  start_mail
  start_reference
  start pds "$PDS_URL/xrpc/_health" "$binary" serve
}

if [ -n "${PDS_URL:-}" ]; then
  [ -n "${PLC_URL:-}" ] || { echo "PDS_URL needs PLC_URL: the directory that this PDS uses" >&2; status=2; exit 2; }
else
  binary="${1:-${CARGO_TARGET_DIR:-$here/../../target}/debug/pds}"
  [ -x "$binary" ] || { echo "$binary is not an executable: cargo build, or run.sh PDS_BINARY" >&2; status=2; exit 2; }
  start_network "$(realpath "$binary")"
fi

tests=("$here"/${PDS_CLIENT_TESTS:-*}.test.mjs)
"$node" --test --test-reporter=spec --test-concurrency=2 "${tests[@]}" || status=1
(cd "$here/go" && PATH="$PATH:$dir/bin" go test -count=1 -v ./...) || status=1
# The SDK leaves its connections to the garbage collector, hence no ResourceWarning.
PYTHONDONTWRITEBYTECODE=1 "$python" -W ignore::ResourceWarning \
  -m unittest discover --verbose --start-directory "$here/python" --pattern 'test_*.py' || status=1
