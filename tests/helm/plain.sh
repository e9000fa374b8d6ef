#!/usr/bin/env bash
# The files of docs/install-plain.md, read by the programs they are for, where those are on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
block() { awk -v open='^```[a-z]+ '"$1"'$' '$0 ~ open { on = 1; next } /^```$/ { on = 0 } on' docs/install-plain.md; }
missing() { printf '\n*** NOT RUN: %s is missing, so nobody has read %s ***\n\n' "$1" "$2" >&2; }

(cd "$work" && eval "$(cd "$OLDPWD" && block settings)")
[ "$(grep -c '=.' "$work/pds.env")" -eq 13 ] || { echo "pds.env is not whole:"; cat "$work/pds.env"; exit 1; }

if command -v nginx >/dev/null; then
  openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=pds.example.com -keyout "$work/privkey.pem" -out "$work/fullchain.pem" 2>/dev/null
  { printf 'error_log stderr; pid %s/pid; events {}\nhttp { access_log off; client_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;\n' "$work" "$work" "$work" "$work" "$work" "$work"
    block nginx | sed "s|/etc/letsencrypt/live/pds.example.com|$work|"
    echo '}'; } >"$work/nginx.conf"
  nginx -q -t -c "$work/nginx.conf"
else missing nginx "the nginx example"; fi

if command -v caddy >/dev/null; then
  block caddy >"$work/Caddyfile"
  caddy validate --adapter caddyfile --config "$work/Caddyfile" >/dev/null 2>"$work/caddy.log" || { cat "$work/caddy.log"; exit 1; }
else missing caddy "the Caddyfile"; fi

if command -v systemd-analyze >/dev/null; then
  block unit | sed "s|/usr/local/bin/pds|$(command -v true)|" >"$work/pds.service"
  systemd-analyze verify --man=no "$work/pds.service"
else missing systemd-analyze "the systemd unit"; fi
echo "docs/install-plain.md: its files are read without complaint"
