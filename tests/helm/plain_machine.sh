#!/usr/bin/env bash
# The machine of docs/install-plain.md: plain.sh starts this in namespaces of its own, in which files, names, ports and users are the document's, and
# nothing is changed outside. systemd runs the server in its sandbox; nginx, then Caddy, with the document's files, lead the public names to it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

document=$(cat docs/install-plain.md docs/runbook.md)
block() { awk -v open='^```[a-z]+ '"$1"'$' '$0 ~ open { on = 1; next } /^```$/ { on = 0 } on' <<<"$document"; }
fail() { echo "docs/install-plain.md: $1" >&2; shift; [ $# -eq 0 ] || cat "$@" >&2; exit 1; }
until_true() { for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; fail "waited in vain for: $*" /run/pds.log; }

# Everything that is written to is this machine's own.
mount -t tmpfs tmpfs /run
mkdir /run/etc /run/cgroup
mount -t tmpfs tmpfs /run/etc
mkdir /run/etc/upper /run/etc/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc
for directory in /var/lib /var/log /var/backups /usr/local/bin; do mount -t tmpfs tmpfs "$directory"; done
mkdir /var/log/nginx /var/lib/nginx
touch /usr/local/bin/pds
mount --bind "$SERVER_BINARY" /usr/local/bin/pds
echo "127.0.0.1 pds.example.com alice.pds.example.com doctor.pds.example.com nobody.pds.example.com" >>/etc/hosts
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run/home XDG_DATA_HOME=/run/home SYSTEMD_COLORS=0
mkdir "$HOME"

# systemd is the first process of namespaces within these, with a part of the control groups for itself.
mount -t cgroup2 cgroup2 /run/cgroup
groups=$(mktemp --directory /run/cgroup/pds-plain-machine.XXXXXX)
mkdir -p /etc/systemd/system/pds.service.d /run/systemd/system
# What the machine outside has for its start is not for this one.
ln -s /dev/null /etc/systemd/system/network-online.target
printf '[Unit]\nDefaultDependencies=no\n' | tee /run/systemd/system/machine.target >/etc/systemd/system/pds.service.d/machine.conf
printf '[Service]\nStandardOutput=append:/run/pds.log\nStandardError=inherit\n' >>/etc/systemd/system/pds.service.d/machine.conf
# shellcheck disable=SC2016
sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$groups" unshare --mount --propagation private --pid --fork --kill-child --mount-proc --cgroup \
  sh -c 'umount --lazy /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; container=test exec /usr/lib/systemd/systemd --system --unit=machine.target --log-target=console --show-status=no' 2>/run/systemd.log &
systemd=$!
finish() {
  status=$?
  systemctl stop pds 2>/dev/null || true
  kill -9 "$systemd" && wait "$systemd" 2>/dev/null || true
  for _ in $(seq 50); do find "$groups" -depth -type d -exec rmdir {} + 2>/dev/null && break; sleep 0.1; done
  [ "$status" -eq 0 ] || tail -n 30 /run/systemd.log /run/pds.log >&2
}
trap finish EXIT
until_true test -S /run/systemd/private
inside() { nsenter --target "$(pgrep --parent "$systemd")" --pid --mount "$@"; }
# systemd listens to processes only that it can see.
systemctl() { inside systemctl "$@"; }

# The document's settings, but for the services of others: a PLC directory on this machine, and no AppView or relays.
python3 tests/cluster/plc.py 127.0.0.1 2582 &
cd "$HOME"
eval "$(block user)"
eval "$(block settings)"
sed -i 's/^\(PDS_CRAWLERS\|PDS_BSKY_.*\|PDS_REPORT_.*\)=.*/\1=/' pds.env
echo 'PDS_DID_PLC_URL=http://127.0.0.1:2582' >>pds.env
eval "$(block place)"
block unit >/etc/systemd/system/pds.service
# There is no journal here.
journalctl() { cat /run/pds.log; }
eval "$(block service)" >/run/service.log 2>&1 || fail "systemctl fails" /run/service.log

# What clients, relays and operators do, through the proxy at hand: NAME OF THE PROXY, its AUTHORITY.
use_proxy() {
  local name=$1 authority=$2 check
  printf 'silent\nshow-error\nmax-time = 60\ncacert = "%s"\n' "$authority" >"$HOME/.curlrc"
  until_true curl --fail https://pds.example.com/readyz
  [ -n "${did:-}" ] || {
    accounts=$(eval "$(block accounts)") || fail "no account can be made" /run/pds.log
    did=${accounts%%$'\t'*}
    [ "${did#did:plc:}" != "$did" ] && [ "${accounts##*$'\n'}" = "$did" ] || fail "its commands print: $accounts"
    password=$(sed -n 1p <<<"$accounts" | cut -f 3)
  }
  [ "$(curl --fail https://alice.pds.example.com/.well-known/atproto-did)" = "$did" ] || fail "$name does not lead handles to the server"
  (set -a; . /etc/pds/pds.env; SSL_CERT_FILE=$authority pds doctor) >doctor.log || fail "the doctor sees, through $name:" doctor.log
  for check in disk "public name" handles firehose uploads "admin password" clock; do
    grep -q "^ok	$check	" doctor.log || fail "the doctor says nothing of $check, through $name:" doctor.log
  done
  [ "$(grep -c '^ok	firehose	' doctor.log)" -eq 2 ] || fail "the doctor has opened no firehose through $name:" doctor.log
  # The runbook's own test of WebSockets; the firehose has no end.
  websocket=$(sed -n 's/^ *`\(curl -i --http1.1 .*\)`$/\1/p' <<<"$document")
  [ -n "$websocket" ] && [[ "$( (eval "$websocket --max-time 3" 2>/dev/null || true) | sed -n 1p)" == "HTTP/1.1 101 "* ]] || fail "$name passes no WebSocket"
  large_blob "$name"
}

large_blob() { # NAME OF THE PROXY: 50 MB up and down
  local token cid
  token=$(curl --fail --header 'Content-Type: application/json' --data "{\"identifier\": \"$did\", \"password\": \"$password\"}" \
    https://pds.example.com/xrpc/com.atproto.server.createSession | sed 's/.*"accessJwt":"\([^"]*\)".*/\1/')
  head --bytes 50000000 /dev/urandom >blob
  cid=$(curl --fail --header "Authorization: Bearer $token" --header 'Content-Type: application/octet-stream' --data-binary @blob \
    https://pds.example.com/xrpc/com.atproto.repo.uploadBlob | sed 's/.*"$link":"\([^"]*\)".*/\1/')
  curl --fail --header 'Content-Type: application/json' --header "Authorization: Bearer $token" --output /dev/null \
    --data "{\"repo\": \"$did\", \"collection\": \"com.example.file\", \"record\": {\"\$type\": \"com.example.file\", \"file\": {\"\$type\": \"blob\", \"ref\": {\"\$link\": \"$cid\"}, \"mimeType\": \"application/octet-stream\", \"size\": 50000000}}}" \
    https://pds.example.com/xrpc/com.atproto.repo.createRecord
  curl --fail --output back "https://pds.example.com/xrpc/com.atproto.sync.getBlob?did=$did&cid=$cid"
  cmp blob back || fail "50 MB do not come back through $1"
}

mkdir -p /etc/letsencrypt/live/pds.example.com
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=pds.example.com -addext 'subjectAltName=DNS:pds.example.com,DNS:*.pds.example.com' -addext basicConstraints=CA:FALSE \
  -keyout /etc/letsencrypt/live/pds.example.com/privkey.pem -out /etc/letsencrypt/live/pds.example.com/fullchain.pem 2>/dev/null
block nginx >/etc/nginx/conf.d/pds.conf
nginx -q -t
nginx
use_proxy nginx /etc/letsencrypt/live/pds.example.com/fullchain.pem
check() { curl --output /dev/null --write-out '%{http_code}' "https://pds.example.com/tls-check?domain=$1"; }
[ "$(check pds.example.com)" = 200 ] && [ "$(check alice.pds.example.com)" = 200 ] && [ "$(check nobody.pds.example.com)" = 404 ] || fail "/tls-check takes any name"
nginx -s quit

# An authority of Caddy's own signs what Let's Encrypt would; whether it may, the server is asked as there.
{ printf '{\n\tlocal_certs\n\tskip_install_trust\n\tadmin off\n'; block caddy | sed 1d; } >/etc/caddy/Caddyfile
until_true test ! -e /run/nginx.pid
caddy run --adapter caddyfile --config /etc/caddy/Caddyfile >/run/caddy.log 2>&1 &
until_true test -s "$XDG_DATA_HOME/caddy/pki/authorities/local/root.crt"
use_proxy Caddy "$XDG_DATA_HOME/caddy/pki/authorities/local/root.crt"
curl --fail https://nobody.pds.example.com/ >/dev/null 2>&1 && fail "Caddy gets a certificate for any name" /run/caddy.log

# The server has never been ended by its sandbox, and ends and starts again as the document says.
pds healthcheck
inside grep -q '^Seccomp:.2' "/proc/$(systemctl show --property MainPID --value pds)/status" || fail "the server runs without the unit's filter of system calls"
eval "$(block backup)"
[ -s "$(echo /var/backups/pds-*/pds.sqlite)" ] || fail "the backup is empty"
until_true curl --fail https://pds.example.com/readyz
said=$(systemctl show --property NRestarts,Result pds | sort)
[ "$said" = $'NRestarts=0\nResult=success' ] || fail "systemd says: $said"
systemctl stop pds
[ "$(systemctl show --property Result --value pds)" = success ] || fail "the server does not end well"
echo "docs/install-plain.md: its files and commands work, with systemd, nginx and Caddy"
