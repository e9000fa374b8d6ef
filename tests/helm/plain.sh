#!/usr/bin/env bash
# docs/install-plain.md: its files are read by the programs they are for, and then used, with its commands, on a machine of their own
# (plain_machine.sh). SERVER_BINARY names the server. What is missing is said loudly; in CI it is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
block() { awk -v open='^```[a-z]+ '"$1"'$' '$0 ~ open { on = 1; next } /^```$/ { on = 0 } on' docs/install-plain.md; }
missing() {
  printf '\n*** NOT RUN: %s is missing, so nobody has used %s ***\n\n' "$1" "$2" >&2
  [ -z "${CI:-}" ] || exit 1
}

(cd "$work" && eval "$(cd "$OLDPWD" && block settings)")
[ "$(grep -c '=.' "$work/pds.env")" -eq 13 ] || { echo "pds.env is not whole:"; cat "$work/pds.env"; exit 1; }

if command -v caddy >/dev/null; then
  block caddy >"$work/Caddyfile"
  caddy validate --adapter caddyfile --config "$work/Caddyfile" >/dev/null 2>"$work/caddy.log" || { cat "$work/caddy.log"; exit 1; }
else missing caddy "the Caddyfile"; fi

if command -v systemd-analyze >/dev/null; then
  block unit | sed "s|/usr/local/bin/pds|$(command -v true)|" >"$work/pds.service"
  systemd-analyze verify --man=no "$work/pds.service"
else missing systemd-analyze "the systemd unit"; fi

[ -x "${SERVER_BINARY:-}" ] || { missing "the server (SERVER_BINARY)" "its settings"; exit 0; }
for program in nginx caddy /usr/lib/systemd/systemd; do
  command -v "$program" >/dev/null || { missing "$program" "the commands of docs/install-plain.md"; exit 0; }
done
# --kill-child: whatever was started ends with the script.
machine=(unshare --mount --propagation private --pid --fork --kill-child --mount-proc --net --ipc --uts)
if ! "${machine[@]}" true 2>/dev/null; then
  printf '\n*** NOT RUN: namespaces are for root, so nobody has used the commands of docs/install-plain.md ***\n\n' >&2
  exit 0
fi
SERVER_BINARY=$(realpath "$SERVER_BINARY") "${machine[@]}" tests/helm/plain_machine.sh
