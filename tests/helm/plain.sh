#!/usr/bin/env bash
# The files of docs/install-plain.md, read by the programs they are for, where those are on this machine. SERVER_BINARY names the server.
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
if [ -x "${SERVER_BINARY:-}" ]; then
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  # The document's settings, but for the place, the port, and the services of others.
  mkdir "$work/data"
  sed -i -e "s|=/var/lib/pds$|=$work/data|" -e "s|^PDS_PORT=.*|PDS_PORT=$port|" -e 's/^\(PDS_CRAWLERS\|PDS_BSKY_.*\|PDS_REPORT_.*\)=.*/\1=/' "$work/pds.env"
  set -a; . "$work/pds.env"; set +a
  "$SERVER_BINARY" serve >"$work/pds.log" 2>&1 &
  server=$!
  trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$work"' EXIT
  for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/readyz" >/dev/null && break; sleep 0.2; done
  "$SERVER_BINARY" healthcheck
  "$SERVER_BINARY" invite create --uses 5 | grep -q '^pds-example-com-' || { cat "$work/pds.log"; exit 1; }
  [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/tls-check?domain=pds.example.com")" = 200 ]
  [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/tls-check?domain=nobody.pds.example.com")" = 404 ]
else missing "the server (SERVER_BINARY)" "its settings"; fi
echo "docs/install-plain.md: its files are read without complaint"
