"""Releases beside the documents' one: generated secrets, a disk of the reference server, the older chart."""
import json
import shutil
import subprocess
import sys

import cluster
from cluster import PATIENCE, shell, until
from steps import INSTALL, logs, patient, step, unused

VALUES = "-f helm/examples/minimal.yaml --set pds.config.hostname=other.example.com --set pds.config.crawlers= --set pds.dataStorage.storageClass=csi-disk-topology"


@step
def generated_secrets():
    """generated secrets survive upgrade and reinstall, by both Helms"""
    keys = "kubectl get secret other-bluesky-pds-keys -n other -o jsonpath='{.data}'"
    shell("kubectl create namespace other")
    shell("kubectl label namespace other pod-security.kubernetes.io/enforce=restricted")
    shell(f"helm install other ./helm -n other {VALUES} --wait --timeout {PATIENCE}s")
    before = shell(keys)
    cluster.use_helm("helm3")
    shell(f"helm upgrade other ./helm -n other {VALUES} --wait --timeout {PATIENCE}s")
    assert shell(keys) == before
    shell("helm uninstall other -n other --wait")
    shell(f"helm install other ./helm -n other {VALUES} --wait --timeout {PATIENCE}s")
    assert shell(keys) == before and len(json.loads(before)) == 3


@step
def own_secret_instead_of_the_generated():
    """another admin password for a release with generated secrets, by the document's commands"""
    kept = "kubectl get secret other-bluesky-pds-keys -n other -o jsonpath='{.data.plcRotationKey}'"
    before = shell(kept)
    unused.discard("own-secret")
    script = INSTALL["own-secret"].replace("-n bluesky-pds", "-n other").replace("--namespace bluesky-pds", "--namespace other")
    script = script.replace("bluesky-pds-keys", "other-bluesky-pds-keys").replace("statefulset/bluesky-pds", "statefulset/other-bluesky-pds")
    shell(patient(script.replace("upgrade bluesky-pds", "upgrade other").replace("-f values.yaml", VALUES)))
    assert shell(kept) == before == shell("kubectl get secret pds -n other -o jsonpath='{.data.plcRotationKey}'")
    shell("kubectl exec -n other sts/other-bluesky-pds -- pds account list")


@step
def disk_of_the_reference_server():
    """a disk with the reference server's files is refused and not touched"""
    shell("helm uninstall other -n other --wait")
    volume = shell("kubectl get pvc other-bluesky-pds-data -n other -o jsonpath='{.spec.volumeName}'")
    disk = cluster.STATE / "pv" / volume
    for path in disk.iterdir():
        subprocess.run(["rm", "-r", path], check=True)
    (disk / "account.sqlite").write_bytes(b"theirs")
    (disk / "actors").mkdir()
    shell(f"helm install other ./helm -n other {VALUES}")
    said = until("the server's word", lambda: (log := logs("other-bluesky-pds-0", "other")) and "account.sqlite" in log and log)
    print(f"      {said.strip().splitlines()[-1][:200]}")
    assert sorted(path.name for path in disk.iterdir()) == ["account.sqlite", "actors"], list(disk.iterdir())
    assert (disk / "account.sqlite").read_bytes() == b"theirs"
    shell("helm uninstall other -n other --wait")


@step
def upgrade_from_the_older_chart():
    """helm upgrade from the older chart keeps names and disk, refuses to serve, and goes back, by both Helms"""
    shutil.copytree(cluster.ROOT / "tests/cluster/older-chart", cluster.WORK / "older-chart", dirs_exist_ok=True)
    shell(f"helm install bluesky-pds ./older-chart -n older --create-namespace --wait --timeout {PATIENCE}s")
    claim = "kubectl get pvc bluesky-pds-data -n older -o jsonpath="
    uid = shell(f"{claim}'{{.metadata.uid}}'")
    disk = cluster.STATE / "pv" / shell(f"{claim}'{{.spec.volumeName}}'")
    (disk / "account.sqlite").write_bytes(b"theirs")
    (disk / "actors").mkdir()
    values = f"-f {cluster.ROOT}/tests/helm/older-chart-values.yaml --set pds.config.crawlers= --set pds.dataStorage.size=2Gi --set image.pullPolicy=IfNotPresent"
    values += " --set pds.dataStorage.storageClass=csi-disk-topology --set ingress.enabled=false --set nodeSelector=null --set imagePullSecrets=null"
    for name in ("helm3", "helm4"):
        cluster.use_helm(name)
        printed = shell(f"helm upgrade bluesky-pds ./helm -n older {values}")
        assert "older chart" in printed and "helm rollback" in printed, printed
        until("the server's word", lambda: "account.sqlite" in logs("bluesky-pds-0", "older"))
        until("the older pod's end", lambda: "pod/bluesky-pds-0" == shell("kubectl get pods -n older -o name").strip())
        assert shell(f"{claim}'{{.metadata.uid}}'") == uid
        assert sorted(path.name for path in disk.iterdir()) == ["account.sqlite", "actors"], list(disk.iterdir())
        shell(f"helm rollback bluesky-pds -n older --wait --timeout {PATIENCE}s")
        shell(f"kubectl rollout status deployment/bluesky-pds -n older --timeout={PATIENCE}s")
        assert (disk / "account.sqlite").read_bytes() == b"theirs" and shell(f"{claim}'{{.metadata.uid}}'") == uid
    shell("helm uninstall bluesky-pds -n older --wait")


@step
def larger_disk():
    """a larger disk on a live release, by both Helms; a smaller one is refused"""
    claim = "kubectl get pvc grow-bluesky-pds-data -n grow -o jsonpath='{.status.capacity.storage}'"
    shell(f"helm install grow ./helm -n grow --create-namespace {VALUES} --set pds.dataStorage.size=1Gi --wait --timeout {PATIENCE}s")
    for name, size in (("helm3", "2Gi"), ("helm4", "3Gi")):
        cluster.use_helm(name)
        shell(f"helm upgrade grow ./helm -n grow {VALUES} --set pds.dataStorage.size={size} --wait --timeout {PATIENCE}s")
        until(f"{size} of disk", lambda: shell(claim) == size)
    refused = shell(f"helm upgrade grow ./helm -n grow {VALUES} --set pds.dataStorage.size=1Gi 2>&1 || true")
    assert "can not be less than" in refused, refused
    shell("helm uninstall grow -n grow --wait")


@step
def whole_document():
    """every named command of the document was run"""
    assert not unused or sys.argv[1:], unused
