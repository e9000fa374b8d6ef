"""What the tests need of the cluster: commands, requests through the ingress, WebSockets, and the blocks of our documents."""
import http.client
import json
import os
import pathlib
import re
import secrets
import shutil
import socket
import ssl
import struct
import subprocess
import time

ROOT = pathlib.Path(__file__).parents[2]
STATE = pathlib.Path(os.environ["K8S"])
NODE_IP = os.environ["NODE_IP"]
TOOLS = pathlib.Path(os.environ["TOOLS"]) / "bin"
WORK = STATE / "work"
HOST = "pds.example.com"
NAMESPACE = "bluesky-pds"
# As long as the slowest thing may take on a busy machine; everything returns as soon as it can.
PATIENCE = 300


def prepare():
    """A directory in which the documents' commands work as they stand: kubectl, helm and curl know the cluster."""
    (WORK / "bin").mkdir(parents=True, exist_ok=True)
    certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", f"/CN={HOST}"]
    names = ["-addext", f"subjectAltName=DNS:{HOST},DNS:*.{HOST}", "-keyout", WORK / "tls.key", "-out", WORK / "tls.crt"]
    subprocess.run([*certificate, *names], check=True, capture_output=True)
    hosts = [HOST, f"alice.{HOST}", f"bob.{HOST}"]
    resolve = "".join(f'resolve = "{host}:443:{NODE_IP}"\n' for host in hosts)
    (WORK / ".curlrc").write_text(f'silent\nshow-error\nmax-time = 60\ncacert = "{WORK}/tls.crt"\n{resolve}')
    script = f'#!/bin/sh\nexec {os.environ["ONENODE"]} kubectl --kubeconfig {STATE}/conf/admin.kubeconfig "$@"\n'
    (WORK / "bin/kubectl").write_text(script)
    (WORK / "bin/kubectl").chmod(0o755)
    shutil.copytree(ROOT / "helm", WORK / "helm", dirs_exist_ok=True)
    use_helm("helm3")


def use_helm(name):
    """The Helm that `helm` means from now on."""
    (WORK / "bin/helm").unlink(missing_ok=True)
    (WORK / "bin/helm").symlink_to(TOOLS / name)


def shell(script):
    """Runs a script as an operator would, and gives what it printed."""
    environment = {**os.environ, "PATH": f"{WORK}/bin:{os.environ['PATH']}", "HOME": str(WORK), "KUBECONFIG": f"{STATE}/conf/admin.kubeconfig"}
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=WORK, env=environment, capture_output=True, text=True, timeout=PATIENCE * 3, check=False
    )
    if process.returncode:
        raise AssertionError(f"status {process.returncode} of:\n{script}\n{process.stdout}{process.stderr}")
    return process.stdout


def until(what, probe):
    """Asks until the answer is true, and gives it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if answer := probe():
            return answer
        time.sleep(0.5)
    raise AssertionError(f"waited in vain for {what}")


def blocks(document):
    """The named blocks of a document: ```sh NAME."""
    text = (ROOT / "docs" / document).read_text()
    return dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", text, re.M | re.S))


class Ingress(http.client.HTTPSConnection):
    """A connection through the ingress, with the name in the certificate checked."""

    def __init__(self, host):
        context = ssl.create_default_context(cafile=str(WORK / "tls.crt"))
        super().__init__(host, context=context, timeout=60)
        self.context = context

    def connect(self):
        self.sock = self.context.wrap_socket(socket.create_connection((NODE_IP, 443), self.timeout), server_hostname=self.host)


def request(method, path, body=None, token=None, host=HOST, content_type="application/json"):
    """Status and body of one request; status 0 where there was no answer."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if body is not None:
        headers["content-type"] = content_type
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = Ingress(host)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()
    finally:
        connection.close()


def call(nsid, body=None, token=None, **more):
    """The answer of an XRPC method, which must be good: POST with a body, else GET."""
    status, answer = request("GET" if body is None else "POST", f"/xrpc/{nsid}", body, token, **more)
    assert status == 200, f"{nsid}: {status} {answer[:500]}"
    return json.loads(answer)


class Firehose:
    """A subscription through the ingress (RFC 6455); answers pings, keeps frames."""

    def __init__(self):
        self.pings = 0
        connection = Ingress(HOST)
        connection.connect()
        self.socket = connection.sock
        key = secrets.token_bytes(16).hex()[:22] + "=="
        path = "/xrpc/com.atproto.sync.subscribeRepos"
        lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.stream = self.socket.makefile("rb")
        status = self.stream.readline()
        assert b" 101 " in status, status
        while self.stream.readline().strip():
            pass

    def frame(self, seconds):
        """The next binary frame, if it comes within so many seconds; none when the other side has closed."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            head = self.stream.read(2)
            if len(head) < 2:
                return None
            kind, length = head[0] & 15, head[1] & 127
            if length == 126:
                (length,) = struct.unpack(">H", self.stream.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self.stream.read(8))
            payload = self.stream.read(length)
            if kind == 2:
                return payload
            if kind == 8:
                return None
            if kind == 9:
                self.pings += 1
                mask = secrets.token_bytes(4)
                masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
                self.socket.sendall(bytes([0x8A, 0x80 | len(payload)]) + mask + masked)
        raise AssertionError(f"no frame for {seconds} s, {self.pings} pings")
