"""The steps of the test, in order, and what they share."""
import re
import time

from cluster import HOST, NAMESPACE, PATIENCE, blocks, call, request, shell, until

INSTALL = blocks("install-cce.md")
POD = f"get pod bluesky-pds-0 -n {NAMESPACE}"
steps = []
unused = set(INSTALL) - {"values", "gateway"}


def step(function):
    """Registers a step; its docstring is its name."""
    steps.append(function)
    return function


def patient(script):
    """The same commands, for a machine that is busy with other things: what takes an operator seconds may take minutes here."""
    return re.sub(r"--timeout[= ]\d+s", f"--timeout={PATIENCE}s", script)


def document(name):
    """Runs a block of the document, with the values of this test beside its own."""
    unused.discard(name)
    return shell(patient(INSTALL[name].replace("-f values.yaml", "-f values.yaml -f test-values.yaml")))


def pod_ready():
    """Waits until the pod itself is ready. A kubelet that is busy takes back for a moment what the rollout has counted already."""
    shell(f"kubectl wait --for=condition=Ready pod/bluesky-pds-0 -n {NAMESPACE} --timeout={PATIENCE}s")
    until("the pod in the list", lambda: "bluesky-pds-0   1/1" in shell(f"kubectl get pods -n {NAMESPACE}"))


def answers():
    """Does the server answer through the ingress for two seconds? While nginx reloads, workers with the old and with the new addresses answer in turn."""
    for _ in range(5):
        if request("GET", "/xrpc/_health")[0] != 200:
            return False
        time.sleep(0.4)
    return True


def ready():
    """Waits until the server answers through the ingress, whichever of its workers is asked."""
    until("the server", answers)


def logs(pod="bluesky-pds-0", namespace=NAMESPACE, previous=""):
    """The pod's log, if there is one."""
    return shell(f"kubectl logs -n {namespace} {pod} {previous} --tail=100 2>/dev/null || true")


def log_in(name="bob"):
    """A session of an account made before."""
    return call("com.atproto.server.createSession", {"identifier": f"{name}.{HOST}", "password": "a-password-of-his-own"})


def post(session, text, **more):
    """A record that says something."""
    record = {"$type": "app.bsky.feed.post", "text": text, "createdAt": "2026-01-01T00:00:00Z", **more}
    return {"repo": session["did"], "collection": "app.bsky.feed.post", "record": record}
