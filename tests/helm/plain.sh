#!/usr/bin/env bash
# The files and commands of docs/install-plain.md, used by the programs they are for. SERVER_BINARY names the server. What is missing is said
# loudly; in CI it is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
started=()
finish() {
  for program in "${started[@]}"; do kill "$program" 2>/dev/null && wait "$program" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT
block() { awk -v open='^```[a-z]+ '"$1"'$' '$0 ~ open { on = 1; next } /^```$/ { on = 0 } on' docs/install-plain.md; }
missing() {
  printf '\n*** NOT RUN: %s is missing, so nobody has used %s ***\n\n' "$1" "$2" >&2
  [ -z "${CI:-}" ] || exit 1
}
ports() { python3 -c 'import socket; taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]; print(*(one.getsockname()[1] for one in taken))'; }
read -r port http https plc < <(ports)

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
command -v nginx >/dev/null || { missing nginx "the nginx example"; exit 0; }

# The document's settings, but for the place, the ports, and the services of others.
mkdir "$work/data" "$work/bin"
sed -i -e "s|=/var/lib/pds$|=$work/data|" -e "s|^PDS_PORT=.*|PDS_PORT=$port|" -e 's/^\(PDS_CRAWLERS\|PDS_BSKY_.*\|PDS_REPORT_.*\)=.*/\1=/' "$work/pds.env"
echo "PDS_DID_PLC_URL=http://127.0.0.1:$plc" >>"$work/pds.env"
python3 tests/cluster/plc.py 127.0.0.1 "$plc" &
started+=($!)
(set -a; . "$work/pds.env"; set +a; exec "$SERVER_BINARY" serve >"$work/pds.log" 2>&1) &
started+=($!)

openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=pds.example.com -addext 'subjectAltName=DNS:pds.example.com,DNS:*.pds.example.com' \
  -keyout "$work/privkey.pem" -out "$work/fullchain.pem" 2>/dev/null
{ printf 'daemon off; error_log stderr; pid %s/pid; events {}\nhttp { access_log off; client_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;\n' "$work" "$work" "$work" "$work" "$work" "$work"
  block nginx | sed -e "s|/etc/letsencrypt/live/pds.example.com|$work|" -e '/listen \[::\]/d' -e "s/listen 80;/listen 127.0.0.1:$http;/" \
    -e "s/listen 443 /listen 127.0.0.1:$https /" -e "s/127.0.0.1:2583/127.0.0.1:$port/"
  echo '}'; } >"$work/nginx.conf"
nginx -q -c "$work/nginx.conf" &
started+=($!)

# As on the machine of the document: `pds` is installed, and the names lead to the proxy.
ln -s "$(realpath "$SERVER_BINARY")" "$work/bin/pds"
export PATH="$work/bin:$PATH" HOME="$work"
printf 'silent\nshow-error\nmax-time = 60\ncacert = "%s/fullchain.pem"\nconnect-to = "::127.0.0.1:%s"\n' "$work" "$https" >"$work/.curlrc"
for _ in $(seq 300); do curl --fail https://pds.example.com/readyz >/dev/null 2>&1 && break; sleep 0.2; done

accounts=$(eval "$(block accounts | sed "s|/etc/pds/pds.env|$work/pds.env|")") || { cat "$work/pds.log"; exit 1; }
did=${accounts%%$'\t'*}
[ "${did#did:plc:}" != "$did" ] && [ "${accounts##*$'\n'}" = "$did" ] || { echo "the document's commands print: $accounts"; exit 1; }

. "$work/pds.env"
export PDS_PORT PDS_ADMIN_PASSWORD
pds healthcheck
pds invite create --uses 5 | grep -q '^pds-example-com-'
pds doctor --url "http://127.0.0.1:$port"
check() { curl --output /dev/null --write-out '%{http_code}' "https://pds.example.com/tls-check?domain=$1"; }
[ "$(check pds.example.com)" = 200 ] && [ "$(check alice.pds.example.com)" = 200 ] && [ "$(check nobody.pds.example.com)" = 404 ]
# The runbook's own test of WebSockets; the firehose has no end.
websocket=$(sed -n 's/^ *`\(curl -i --http1.1 .*\)`$/\1/p' docs/runbook.md)
[ -n "$websocket" ] && [[ "$( (eval "$websocket --max-time 3" 2>/dev/null || true) | sed -n 1p)" == "HTTP/1.1 101 "* ]] || { echo "nginx passes no WebSocket"; exit 1; }
echo "docs/install-plain.md: its files and commands work"
