#!/usr/bin/env bash
# Makes a build image for the Dockerfile where no container registry can be reached: Debian with this machine's Rust and its downloaded crates'
# index. `base-image.sh NAME`; buildah, root. Leaves an image that is there alone.
set -euo pipefail
name=${1:?name of the image}
buildah inspect --type image "$name" >/dev/null 2>&1 && exit 0
command -v mmdebstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mmdebstrap >/dev/null
toolchain=$(rustc --print sysroot)
container=$(buildah from scratch)
trap 'buildah rm "$container" >/dev/null' EXIT
root=$(buildah mount "$container")
# The Debian of this machine, so that its packages are known to be reachable.
mmdebstrap --variant=minbase --include=ca-certificates "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" >/dev/null
mkdir -p "$root/usr/local/rust"
(cd "$toolchain" && tar -c --exclude=share --exclude='lib/rustlib/src' bin/cargo bin/rustc lib) | tar -x -C "$root/usr/local/rust"
buildah config --env PATH=/usr/local/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin --env CARGO_HOME=/usr/local/cargo "$container"
buildah commit --quiet "$container" "$name" >/dev/null
