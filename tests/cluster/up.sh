#!/usr/bin/env bash
# Brings up a real one-node Kubernetes from nothing: network namespace, etcd, API server, controllers, scheduler,
# containerd+runc, kubelet, kube-proxy, DNS, disks and ingress. Needs root and what setup.sh gets.
set -euo pipefail; cd "$(dirname "$0")"; . ./lib.sh
t0=$(date +%s.%N); say() { printf '%6.1fs %s\n' "$(echo "$(date +%s.%N)-$t0" | bc)" "$*"; }
mkdir -p "$PKI" "$CONF" "$LOG" "$PIDS" "$K8S"/{etcd,kubelet,manifests,containerd,cni,pv}
./pki.sh; say pki
# --- the node's own network: a veth to the machine (reach the node at $NODE_IP from outside), default route through it
if ! ip netns list | grep -qw "$NS"; then
  ip netns add "$NS"
  ip link add ${NS}0 type veth peer name eth0 netns "$NS"
  ip addr add $HOST_IP/24 dev ${NS}0; ip link set ${NS}0 up
  inns sh -c "ip link set lo up; ip addr add $NODE_IP/24 dev eth0; ip link set eth0 up; ip route add default via $HOST_IP; sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1"
fi; say network namespace $NS
start etcd "$ONENODE" etcd --name n --data-dir "$K8S/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster n=http://127.0.0.1:2380 --unsafe-no-fsync --log-level warn
start apiserver "$ONENODE" apiserver --etcd-servers http://127.0.0.1:2379 --bind-address $NODE_IP --secure-port 6443 --advertise-address $NODE_IP \
  --tls-cert-file $PKI/apiserver.crt --tls-private-key-file $PKI/apiserver.key --client-ca-file $PKI/ca.crt \
  --kubelet-client-certificate $PKI/api-kubelet.crt --kubelet-client-key $PKI/api-kubelet.key --kubelet-certificate-authority $PKI/ca.crt \
  --service-account-key-file $PKI/sa.pub --service-account-signing-key-file $PKI/sa.key --service-account-issuer https://kubernetes.default.svc \
  --service-cluster-ip-range $SVC_CIDR --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
  --allow-privileged=true --profiling=false --max-requests-inflight 100 --kubelet-preferred-address-types InternalIP
for i in $(seq 240); do kc get --raw /readyz >/dev/null 2>&1 && break; sleep 0.5; done
kc get --raw /readyz >/dev/null || { tail -20 "$LOG/apiserver.log"; exit 1; }; say API server ready
start kcm "$ONENODE" controller-manager --kubeconfig $CONF/kcm.kubeconfig --service-account-private-key-file $PKI/sa.key --root-ca-file $PKI/ca.crt \
  --cluster-cidr $POD_CIDR --allocate-node-cidrs=true --service-cluster-ip-range $SVC_CIDR --use-service-account-credentials --bind-address 127.0.0.1 \
  --leader-elect=false --cluster-signing-cert-file $PKI/ca.crt --cluster-signing-key-file $PKI/ca.key --node-monitor-grace-period 120s
start sched "$ONENODE" scheduler --kubeconfig $CONF/sched.kubeconfig --bind-address 127.0.0.1 --leader-elect=false
# CCE's storage classes by name and provisioner; provisioner.py stands in for the Everest CSI driver
for sc in csi-disk:Immediate csi-disk-topology:WaitForFirstConsumer; do
kc apply -f - >/dev/null <<Y
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: ${sc%%:*}}
provisioner: everest-csi-provisioner
reclaimPolicy: Delete
allowVolumeExpansion: true
volumeBindingMode: ${sc##*:}
Y
done
kc apply -f - >/dev/null <<Y
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
Y
kc apply -f - >/dev/null <<Y
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: volumesnapshots.snapshot.storage.k8s.io
  annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes-csi/external-snapshotter/pull/814"}
spec:
  group: snapshot.storage.k8s.io
  names: {kind: VolumeSnapshot, plural: volumesnapshots, singular: volumesnapshot}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
Y
say control plane up
K8S=$K8S NODE=$NODE start provisioner python3 "$PWD/provisioner.py" "$ONENODE" kubectl --kubeconfig "$CONF/admin.kubeconfig"
[ -x $PDS_CLUSTER/bin/dns ] && start dns $PDS_CLUSTER/bin/dns -pki "$PKI" -api https://$NODE_IP:6443 -addr $DNS_IP:53 -hosts "${HOSTS:-}"
[ "${LEVEL:-node}" = api ] && exit 0
# --- container runtime
cat > "$CONF/containerd.toml" <<T
version = 2
root = "$K8S/containerd/root"
state = "$K8S/containerd/state"
oom_score = 0
[grpc]
  address = "$K8S/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.test/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  enable_selinux = false
  stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "$K8S/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  BinaryName = "/usr/sbin/runc"
  SystemdCgroup = false
T
cat > "$K8S/cni/10-bridge.conflist" <<J
{"cniVersion":"1.0.0","name":"pods","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"isDefaultGateway":true,"ipMasq":true,"hairpinMode":true,
  "ipam":{"type":"host-local","ranges":[[{"subnet":"10.88.0.0/24"}]],"dataDir":"$K8S/cni-ipam"}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
J
start containerd containerd --config "$CONF/containerd.toml"
for i in $(seq 100); do ctr -a "$K8S/containerd.sock" version >/dev/null 2>&1 && break; sleep 0.2; done
for t in ${IMAGES:-$PDS_CLUSTER/tar/*.tar}; do ctr -a "$K8S/containerd.sock" -n k8s.io images import "$t" >/dev/null; done
say containerd up, images imported
cat > "$CONF/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
cgroupDriver: cgroupfs
failCgroupV1: false
cgroupsPerQOS: true
enforceNodeAllocatable: [pods]
failSwapOn: false
oomScoreAdj: 0
containerRuntimeEndpoint: unix://$K8S/containerd.sock
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: $CONF/resolv.conf
tlsCertFile: $PKI/kubelet-srv.crt
tlsPrivateKeyFile: $PKI/kubelet-srv.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
protectKernelDefaults: false
makeIPTablesUtilChains: true
podLogsDir: $K8S/podlogs
maxOpenFiles: 20000
healthzPort: 0
serializeImagePulls: true
evictionHard: {memory.available: 100Mi, nodefs.available: "1%", imagefs.available: "1%"}
# Images that no pod uses at the moment stay, however full the disk of the machine is: nothing could pull them again.
imageGCHighThresholdPercent: 100
Y
echo "nameserver $DNS_IP" > "$CONF/resolv.conf"
start kubelet "$ONENODE" kubelet --config "$CONF/kubelet.yaml" --kubeconfig "$CONF/kubelet.kubeconfig" --root-dir "$K8S/kubelet" \
  --hostname-override $NODE --node-ip $NODE_IP --node-labels topology.kubernetes.io/zone=eu-de-01,topology.kubernetes.io/region=eu-de
cat > "$CONF/proxy.yaml" <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $CONF/proxy.kubeconfig}
hostnameOverride: $NODE
clusterCIDR: $POD_CIDR
mode: ${PROXY_MODE:-iptables}
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
Y
start proxy "$ONENODE" proxy --config "$CONF/proxy.yaml"
for i in $(seq 240); do kc get node $NODE 2>/dev/null | grep -qw Ready && break; sleep 0.5; done
kc get nodes -o wide; say node
[ "${INGRESS:-1}" = 1 ] && K8S=$K8S INGRESS_IP=$NODE_IP start ingress python3 "$PWD/ingress.py" "$ONENODE" kubectl --kubeconfig "$CONF/admin.kubeconfig"
say ready
