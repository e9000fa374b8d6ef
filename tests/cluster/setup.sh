#!/usr/bin/env bash
# Everything the one-node cluster needs, into $PDS_CLUSTER: Kubernetes, etcd and kubectl in one binary, DNS, and the pause image. Needs root, Go, a C
# compiler. 10 to 20 minutes of two cores when nothing is cached, nothing when all is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./lib.sh
mkdir -p "$PDS_CLUSTER"/{bin,tar}

packages=(buildah bc conntrack containerd containernetworking-plugins curl iproute2 iptables nftables nginx-light openssl runc)
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  apt-get update -q >/dev/null
  # RUNLEVEL=1 starts no service.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ ! -x "$ONENODE" ]; then
  version=$(sed -n 's/^require k8s.io\/kubernetes \(v.*\)/\1/p' onenode/go.mod)
  minor=${version#v1.}
  package=k8s.io/component-base/version
  flags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"
  (cd onenode && CGO_ENABLED=0 GOFLAGS=-mod=mod GOGC=off GOMEMLIMIT=1500MiB go build -p 2 -trimpath -ldflags "$flags" -o "$ONENODE" .)
fi
[ -x "$PDS_CLUSTER/bin/dns" ] || (cd dns && CGO_ENABLED=0 go build -trimpath -o "$PDS_CLUSTER/bin/dns" .)
if [ ! -f "$PDS_CLUSTER/tar/pause.tar" ]; then
  directory=$(mktemp -d)
  gcc -static -Os -o "$directory/pause" pause/main.c
  ./mkimage.py "$directory" "$PDS_CLUSTER/tar/pause.tar" registry.test/pause:1 --entrypoint /pause --user 65535:65535
  rm -r "$directory"
fi
