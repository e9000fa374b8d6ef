#!/usr/bin/env python3
"""The documents' own commands against a real cluster, and what goes wrong in one. Steps in order; the first that fails ends the run."""
import hashlib
import importlib
import json
import re
import secrets
import sys
import threading
import time

import cluster
from cluster import HOST, NAMESPACE, NODE_IP, WORK, Firehose, call, request, shell, until
from steps import INSTALL, POD, document, log_in, logs, patient, pod_ready, post, ready, step, steps

READ_TIMEOUT = 40
TEST_VALUES = f"""
# What differs from the blueprint: the image is on the node, no stranger's service is asked, and the ingress cuts what is silent for {READ_TIMEOUT} s.
image:
  registry: ""
pds:
  config:
    didPlcUrl: http://{NODE_IP}:2582
    crawlers: ""
    bskyAppViewUrl: ""
    bskyAppViewDid: ""
    reportSvcUrl: ""
    reportSvcDid: ""
ingress:
  annotations:
    nginx.ingress.kubernetes.io/proxy-read-timeout: "{READ_TIMEOUT}"
    nginx.ingress.kubernetes.io/proxy-send-timeout: "{READ_TIMEOUT}"
"""


@step
def secret_by_the_documents_commands():
    """namespace (restricted) and secret"""
    document("secret")
    shell(f"kubectl label namespace {NAMESPACE} pod-security.kubernetes.io/enforce=restricted")
    # Made by a controller, a moment after the namespace; without it nothing else is looked at.
    until("the namespace's service account", lambda: shell(f"kubectl get serviceaccount default -n {NAMESPACE} --ignore-not-found -o name"))
    refused = shell(f"kubectl run root -n {NAMESPACE} --image=docker.io/library/pds:0 2>&1 || true")
    assert "violates PodSecurity" in refused, refused
    shell(f"kubectl create secret tls bluesky-pds-tls -n {NAMESPACE} --cert {WORK}/tls.crt --key {WORK}/tls.key")
    assert len(document("rotation-key")) == 64
    (WORK / "values.yaml").write_text(INSTALL["values"])
    (WORK / "test-values.yaml").write_text(TEST_VALUES)


@step
def install_with_the_blueprints_values():
    """helm install with the blueprint's values"""
    printed = document("install")
    assert "kubectl exec" in printed and f"*.{HOST}." in printed, printed
    pod_ready()
    ready()
    until("the ingress address", lambda: document("address") == NODE_IP)


@step
def verify_through_the_ingress():
    """TLS for host name and handles, root text, version, helm test"""
    printed = document("verify")
    assert "This is an AT Protocol Personal Data Server (PDS)" in printed, printed
    assert '"version"' in printed and "Succeeded" in printed and "ok\talive" in printed, printed
    ready, log = document("look").split("\n", 1)
    assert json.loads(ready)["status"] in ("ok", "degraded") and log.strip(), ready


@step
def account_inside_the_pod():
    """account and invite by kubectl exec"""
    printed = document("account")
    assert f"alice.{HOST}" in printed and "did:plc:" in printed, printed
    did = printed.split("\t")[0]
    status, body = request("GET", "/.well-known/atproto-did", host=f"alice.{HOST}")
    assert (status, body.decode()) == (200, did), (status, body)
    assert document("handle") == did


@step
def account_by_curl():
    """account by the blueprint's curl"""
    account = json.loads(document("account-by-curl"))
    assert account["handle"] == f"bob.{HOST}" and account["accessJwt"] and account["refreshJwt"], account
    service = account["didDoc"]["service"][0]
    assert service["serviceEndpoint"] == f"https://{HOST}" and service["type"] == "AtprotoPersonalDataServer", service
    assert account["didDoc"]["verificationMethod"][0]["type"] == "Multikey", account


@step
def administration():
    """administration inside the pod"""
    printed = document("admin")
    assert f"alice.{HOST}" in printed and "takedown" in printed, printed


@step
def doctor():
    """the doctor sees what works here, and what cannot"""
    try:
        printed = document("doctor")
    except AssertionError as error:
        printed = str(error)
    # A pod that asks through the Service hides behind a private address, which is noted.
    assert re.search(r"^(ok|note)\tready\t", printed, re.M), printed
    for check in ("disk", "alive", "version", "handle host", "firehose", "admin password", "PLC directory"):
        assert f"ok\t{check}\t" in printed, printed
    # The pod does not know the test's certificates, and the mail server is nobody's.
    assert "FAILED\tpublic name\t" in printed and "FAILED\tmail\t" in printed and "checks failed" in printed, printed


@step
def firehose_outlives_the_read_timeout():
    """firehose through the ingress for longer than its read time-out, in silence"""
    firehose = Firehose()
    session = log_in()

    def write_later():
        time.sleep(READ_TIMEOUT * 1.6)
        call("com.atproto.repo.createRecord", post(session, "after the silence"), session["accessJwt"])

    call("com.atproto.server.getSession", token=session["accessJwt"])
    began = time.monotonic()
    writer = threading.Thread(target=write_later)
    writer.start()
    frame = firehose.frame(READ_TIMEOUT * 3)
    writer.join()
    assert frame and session["did"].encode() in frame, frame
    assert time.monotonic() - began > READ_TIMEOUT and firehose.pings, (time.monotonic() - began, firehose.pings)


@step
def large_blob():
    """50 MB up and down through the ingress"""
    session = log_in()
    data = secrets.token_bytes(50_000_000)
    blob = call("com.atproto.repo.uploadBlob", data, session["accessJwt"], content_type="application/octet-stream")["blob"]
    record = {"$type": "com.example.file", "file": blob}
    written = {"repo": session["did"], "collection": "com.example.file", "record": record, "validate": False}
    call("com.atproto.repo.createRecord", written, session["accessJwt"])
    status, back = request("GET", f"/xrpc/com.atproto.sync.getBlob?did={session['did']}&cid={blob['ref']['$link']}")
    assert status == 200 and hashlib.sha256(back).digest() == hashlib.sha256(data).digest(), (status, len(back))


def kill_process():
    """SIGKILL to the server's process; the kubelet starts it again in the same pod."""
    restarts = f"kubectl {POD} -o jsonpath='{{.status.containerStatuses[0].restartCount}}'"
    before = int(shell(restarts))
    container = shell(f"kubectl {POD} -o jsonpath='{{.status.containerStatuses[0].containerID}}'").removeprefix("containerd://")
    shell(f"ctr --address {cluster.STATE}/containerd.sock --namespace k8s.io tasks kill --signal SIGKILL {container}")
    until("a restart", lambda: int(shell(restarts)) > before)


def delete_pod():
    """The pod taken away without notice; the StatefulSet makes another."""
    uid = shell(f"kubectl {POD} -o jsonpath='{{.metadata.uid}}'")
    shell(f"kubectl delete pod bluesky-pds-0 -n {NAMESPACE} --grace-period=0 --force 2>/dev/null")
    until("a new pod", lambda: shell(f"kubectl {POD} -o jsonpath='{{.metadata.uid}}' 2>/dev/null || true") not in ("", uid))


@step
def killed_under_writes():
    """process killed, then pod deleted, under writes: nothing acknowledged is lost"""
    session, acknowledged, stop = log_in(), [], threading.Event()

    def write(writer):
        for number in range(100_000):
            if stop.is_set():
                return
            status, body = request("POST", "/xrpc/com.atproto.repo.createRecord", post(session, f"{writer}/{number}"), session["accessJwt"])
            if status == 200:
                acknowledged.append(json.loads(body)["uri"])
            else:
                time.sleep(0.2)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for writer in writers:
        writer.start()
    for blow in (kill_process, delete_pod):
        before = len(acknowledged)
        until("writes", lambda: len(acknowledged) > before + 100)
        blow()
    before = len(acknowledged)
    until("writes after it", lambda: len(acknowledged) > before + 100)
    stop.set()
    for writer in writers:
        writer.join()
    ready()
    kept, cursor = set(), ""
    while True:
        page = call(f"com.atproto.repo.listRecords?repo={session['did']}&collection=app.bsky.feed.post&limit=100&cursor={cursor}")
        kept.update(record["uri"] for record in page["records"])
        if not (cursor := page.get("cursor")):
            break
    lost = set(acknowledged) - kept
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged records are lost"
    print(f"      {len(acknowledged)} acknowledged")


@step
def second_server_on_the_disk():
    """a second server on the same disk refuses"""
    pod = json.loads(shell(f"kubectl {POD} -o json"))
    spec = pod["spec"]
    spec["containers"][0] = {key: spec["containers"][0][key] for key in ("name", "image", "env", "securityContext", "volumeMounts")}
    keep = ("containers", "securityContext", "volumes", "automountServiceAccountToken")
    second = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "second"}, "spec": {**{key: spec[key] for key in keep}, "restartPolicy": "Never"}}
    (WORK / "second.json").write_text(json.dumps(second))
    shell(f"kubectl apply -n {NAMESPACE} -f second.json")
    until("its end", lambda: shell(f"kubectl get pod second -n {NAMESPACE} -o jsonpath='{{.status.phase}}'") == "Failed")
    log = logs("second")
    assert "is in use by another pds process" in log, log
    shell(f"kubectl delete pod second -n {NAMESPACE}")
    ready()


@step
def metrics():
    """metrics on their own port, with the names of the document, and none through the ingress"""
    scrape = f"kubectl get --raw /api/v1/namespaces/{NAMESPACE}/pods/bluesky-pds-0:9090/proxy/metrics 2>/dev/null || true"
    session = log_in()
    call("com.atproto.repo.createRecord", post(session, "counted"), session["accessJwt"])
    # Asks the PLC directory, whatever is cached.
    call("com.atproto.identity.refreshIdentity", {"identifier": session["did"]}, session["accessJwt"])
    # What the database has to be asked for is counted once in a while.
    text = until("two accounts", lambda: re.search(r'^pds_accounts\{status="active"\} 2$', text := shell(scrape), re.M) and text)
    served = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
    listed = set(re.findall(r"`((?:pds|process)_[a-z0-9_]+)`", (cluster.ROOT / "docs/metrics.md").read_text()))
    assert served <= listed, served - listed
    # No relay is asked here.
    missing = {name for name in listed - served if not name.startswith("pds_relay_")}
    assert not missing, missing
    assert re.search(r"^pds_ready 1$", text, re.M), text
    status, _ = request("GET", "/metrics")
    assert status == 404, status


@step
def wrong_secret():
    """a secret that lacks a key, then a wrong one: the pod says so, and recovers"""
    shell(f"kubectl create secret generic broken -n {NAMESPACE} --from-literal=adminPassword=x --from-literal=plcRotationKey=short")
    upgrade = f"helm upgrade bluesky-pds ./helm -n {NAMESPACE} -f values.yaml -f test-values.yaml"
    shell(f"{upgrade} --set pds.config.secrets.existingSecret=broken")
    until("the kubelet's word", lambda: "couldn't find key jwtSecret" in shell(f"kubectl {POD} -o yaml 2>/dev/null || true"))
    shell(f"kubectl patch secret broken -n {NAMESPACE} -p '{{\"stringData\":{{\"jwtSecret\":\"0123456789abcdef0123456789abcdef\"}}}}'")
    until("the server's word", lambda: {"PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX", "64 hex digits"} <= set(
        re.findall(r"PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX|64 hex digits", logs() + logs(previous="--previous"))))
    assert "true" not in shell(f"kubectl {POD} -o jsonpath='{{.status.containerStatuses[0].ready}}'")
    document("upgrade")
    ready()


@step
def upgrade():
    """helm upgrade keeps everything"""
    shell(f"helm upgrade bluesky-pds ./helm -n {NAMESPACE} -f values.yaml -f test-values.yaml --set podAnnotations.turn=second")
    shell(patient(f"kubectl rollout status statefulset/bluesky-pds -n {NAMESPACE} --timeout=180s"))
    ready()
    assert call("com.atproto.repo.listRecords?repo=bob.pds.example.com&collection=app.bsky.feed.post&limit=1")["records"]


def password():
    """The admin password in the Secret."""
    return shell(f"kubectl get secret pds -n {NAMESPACE} -o jsonpath='{{.data.adminPassword}}' | base64 --decode")


@step
def secrets_changed_later():
    """mail added and the admin password changed, by the document's commands"""
    before = password()
    document("mail-later")
    document("change-password")
    ready()
    assert password() != before
    codes = "/xrpc/com.atproto.admin.getInviteCodes"
    for word, expected in ((before, 401), (password(), 200)):
        status = shell(f"curl --output /dev/null --write-out '%{{http_code}}' --user admin:{word} https://{HOST}{codes}")
        assert status == str(expected), (status, expected)


@step
def snapshot_and_going_back():
    """a snapshot, and the way back to it in the same namespace"""
    records = f"com.atproto.repo.listRecords?repo=bob.{HOST}&collection=app.bsky.feed.post&limit=1"
    newest = call(records)["records"]
    document("snapshot")
    document("start")
    ready()
    session = log_in()
    call("com.atproto.repo.createRecord", post(session, "after the snapshot"), session["accessJwt"])
    assert call(records)["records"] != newest
    document("restore")
    ready()
    assert call(records)["records"] == newest
    told = document("resync")
    assert re.search(r"^accounts\t[1-9]", told, re.M) and "failed" not in told, told
    call("com.atproto.repo.createRecord", post(session, "after going back"), log_in()["accessJwt"])
    assert "bluesky-pds-data" in shell(f"kubectl get pvc -n {NAMESPACE} -o name")


@step
def uninstall_and_reinstall():
    """uninstall keeps the disk; Helm 4 installs again and finds it"""
    assert "bluesky-pds-data" in document("uninstall")
    until("the pod's end", lambda: "pod/bluesky-pds-0" not in shell(f"kubectl get pods -n {NAMESPACE} -o name"))
    cluster.use_helm("helm4")
    document("install")
    ready()
    session = log_in()
    call("com.atproto.repo.createRecord", post(session, "home again"), session["accessJwt"])
    document("upgrade")
    ready()
    printed = document("verify")
    assert '"version"' in printed and "Succeeded" in printed and "ok\talive" in printed, printed


def main():
    # Registers its steps behind the ones above.
    importlib.import_module("other_releases")
    cluster.prepare()
    passed = failed = 0
    wanted = sys.argv[1:]
    for function in steps:
        if wanted and function.__name__ not in wanted:
            continue
        began = time.monotonic()
        try:
            function()
        except Exception as error:  # the next steps build on this one
            print(f"FAILED {function.__doc__}: {error}\n--- log of the pod ---\n{logs()}", flush=True)
            failed = 1
            break
        passed += 1
        print(f"{time.monotonic() - began:6.1f} s {function.__doc__}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed)


if __name__ == "__main__":
    main()
