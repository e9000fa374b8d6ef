# shellcheck shell=bash disable=SC2034
# Shared settings of the one-node cluster. What is built lives in $PDS_CLUSTER, what runs in $K8S and in one network namespace.
PDS_CLUSTER=${PDS_CLUSTER:-$HOME/.cache/pds-cluster}
K8S=${K8S:-$PDS_CLUSTER/run}
ONENODE=${ONENODE:-$PDS_CLUSTER/bin/onenode}
NS=${NS:-k8snode}
NODE_IP=${NODE_IP:-10.99.0.2}
HOST_IP=${HOST_IP:-10.99.0.1}
POD_CIDR=${POD_CIDR:-10.88.0.0/16}
SVC_CIDR=${SVC_CIDR:-10.96.0.0/16}
SVC_API=${SVC_API:-10.96.0.1}
DNS_IP=${DNS_IP:-$NODE_IP}
NODE=${NODE:-node-1}
PKI=$K8S/pki; CONF=$K8S/conf; LOG=$K8S/log; PIDS=$K8S/pids
inns() { nsenter --net=/run/netns/$NS "$@"; }
start() { # start NAME CMD... : in the namespace, in the background, pid noted (nsenter and setsid exec, so $! is the program itself)
  local n=$1; shift
  nsenter --net=/run/netns/$NS setsid "$@" >"$LOG/$n.log" 2>&1 < /dev/null &
  echo $! > "$PIDS/$n"
}
stopone() { # by the pid noted at start, never by name, and only if that pid is still one of ours
  local f=$PIDS/$1 p; [ -f "$f" ] || return 0; p=$(cat "$f")
  if [ "$(ip netns identify "$p" 2>/dev/null)" = "$NS" ]; then
    kill "$p" 2>/dev/null || true
    for _ in $(seq 50); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$p" 2>/dev/null || true
  fi
  rm -f "$f"
}
kc() { inns "$ONENODE" kubectl --kubeconfig "$CONF/admin.kubeconfig" "$@"; }
