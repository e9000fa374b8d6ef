#!/usr/bin/env python3
"""plc.py ADDRESS PORT: a PLC directory that believes everything and keeps it in memory. Standard library only."""
import http.server
import json
import sys

operations = {}


class Directory(http.server.BaseHTTPRequestHandler):
    """POST /:did takes an operation; GET /:did, /:did/data and /:did/log/last tell of it."""

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        operation = json.loads(self.rfile.read(int(self.headers["content-length"])))
        operations.setdefault(self.path[1:], []).append(operation)
        self.answer(200, {})

    def do_GET(self):
        did, _, rest = self.path[1:].partition("/")
        if did not in operations:
            self.answer(404, {"message": f"DID not registered: {did}"})
        elif rest == "log/last":
            self.answer(200, operations[did][-1])
        else:
            self.answer(200, document(did, operations[did][-1]))

    def log_message(self, *_):
        pass


def document(did, operation):
    """The DID document of an account after its last operation."""
    keys = operation["verificationMethods"].items()
    services = operation["services"].items()
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1", "https://w3id.org/security/suites/secp256k1-2019/v1"],
        "id": did,
        "alsoKnownAs": operation["alsoKnownAs"],
        "verificationMethod": [
            {"id": f"{did}#{name}", "type": "Multikey", "controller": did, "publicKeyMultibase": key.removeprefix("did:key:")} for name, key in keys
        ],
        "service": [{"id": f"#{name}", "type": service["type"], "serviceEndpoint": service["endpoint"]} for name, service in services],
    }


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Directory).serve_forever()
