#!/usr/bin/env python3
"""check.py HELM…: what the unit tests cannot say of the chart, for each given Helm.

Examples render to objects that the schemas of Kubernetes 1.25 to the newest accept and that Pod Security `restricted` admits; wrong values
are refused with their name; the versions agree; alerts, dashboard, metrics and runbook know each other.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import jsonschema
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / "helm"
VERSIONS = ["1.25", "1.30", "1.31", "1.32", "1.33", kubernetes_validate.latest_version()]
CRDS = pathlib.Path(os.environ["TOOLS"]) / "crds"
EVERYTHING = [
    "ingress.enabled=true", "certificate.enabled=true", "networkPolicy.enabled=true", "podDisruptionBudget.enabled=true",
    "httpRoute.enabled=true", "httpRoute.parentRefs[0].name=web", "metrics.serviceMonitor.enabled=true",
    "metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true",
]
# Values that must be refused, and what the refusal must name.
REFUSED = [
    (["pds.config.hostname="], "'/pds/config/hostname'"),
    (["pds.config.hostname=https://pds.example.com"], "'/pds/config/hostname'"),
    (["pds.config.hostname=pds.example.com:443"], "'/pds/config/hostname'"),
    (["pds.config.hostname=pds.example.com/path"], "'/pds/config/hostname'"),
    (["pds.config.hostname=*.example.com"], "'/pds/config/hostname'"),
    (["pds.config.hostname=-pds.example.com"], "'/pds/config/hostname'"),
    (["pds.config.hostnam=pds.example.com"], "'/pds/config': additional properties 'hostnam'"),
    (["pds.dataStorage.storageclass=csi-disk"], "'/pds/dataStorage': additional properties 'storageclass'"),
    (["ingres.enabled=true"], "additional properties 'ingres'"),
    (["ingress.enabeld=true"], "'/ingress': additional properties 'enabeld'"),
    (["replicaCount=2"], "'/replicaCount'"),
    (["replicaCount=one"], "'/replicaCount'"),
    (["pds.config.secrets.generate=false"], "'/pds/config/secrets/adminPassword'"),
    (["pds.config.secrets.generate=false", "pds.config.secrets.adminPassword=12345678x"], "'/pds/config/secrets/jwtSecret'"),
    (["pds.config.secrets.generate=false", "pds.config.secrets.adminPassword=12345678x", "pds.config.secrets.jwtSecret=0123456789abcdefx",
      "pds.config.secrets.plcRotationKey=short"], "'/pds/config/secrets/plcRotationKey'"),
    (["pds.config.secrets.existingSecret=pds"], "'/pds/config/secrets/generate'"),
    (["pds.config.secrets.generate=false", "pds.config.secrets.existingSecret=pds", "pds.config.secrets.jwtSecret=0123456789abcdefx"], "'/pds/config/secrets/jwtSecret'"),
    (["pds.config.secrets.keys.adminpassword=x"], "'/pds/config/secrets/keys': additional properties 'adminpassword'"),
    (["pds.config.secrets.emailSmtpUrl=smtp.example.com"], "'/pds/config/secrets/emailSmtpUrl'"),
    (["pds.config.smtp.host=smtps://smtp.example.com"], "'/pds/config/smtp/host'"),
    (["pds.config.smtp.tls=ssl"], "'/pds/config/smtp/tls'"),
    (["pds.config.didPlcUrl=plc.directory"], "'/pds/config/didPlcUrl'"),
    (["pds.config.bskyAppViewDid=api.bsky.app"], "'/pds/config/bskyAppViewDid'"),
    (["pds.config.crawlers=bsky.network"], "'/pds/config/crawlers'"),
    (["pds.config.logLevel=loud"], "'/pds/config/logLevel'"),
    (["pds.config.serviceHandleDomains[0]=pds.example.com"], "'/pds/config/serviceHandleDomains/0'"),
    (["pds.config.dataDir=/var/lib/pds"], "pds.config.dataDir: /var/lib/pds is not on the disk"),
    (["pds.config.blobstoreLocation=/blobs"], "pds.config.blobstoreLocation: /blobs is not on the disk"),
    (["pds.dataStorage.size=big"], "'/pds/dataStorage/size'"),
    (["pds.dataStorage.storageClass=csi-obs"], "pds.dataStorage.storageClass: csi-"),
    (["pds.dataStorage.storageClass=csi-nas"], "pds.dataStorage.storageClass: csi-"),
    (["pds.dataStorage.storageClass=csi-sfsturbo"], "pds.dataStorage.storageClass: csi-"),
    (["pds.dataStorage.accessModes[0]=ReadWriteMany"], "pds.dataStorage.accessModes: ReadWriteMany asks"),
    (["image.repository=ghcr.io/bluesky-social/pds"], "image.repository: this chart runs"),
    (["image.digest=latest"], "'/image/digest'"),
    (["service.port=0"], "'/service/port'"),
    (["service.type=ExternalName"], "'/service/type'"),
    (["metrics.port=3000"], "'/metrics/port'"),
    (["ingress.enabled=true", "ingress.className=cce"], "ingress.elb: the class cce"),
    (["httpRoute.enabled=true"], "httpRoute.parentRefs: name"),
    (["terminationGracePeriodSeconds=5"], "'/terminationGracePeriodSeconds'"),
    (["livenessProbe.httpget.path=/"], "'/livenessProbe': additional properties 'httpget'"),
    (["extraEnv[0].nmae=X"], "'/extraEnv/0': additional properties 'nmae'"),
    (["ingress.enabled=true", "ingress.hosts[0].host=other.example.com"], "ingress.hosts: pds.config.hostname (pds.example.com) is not among other"),
    (["extraEnv[0].name=PDS_PORT"], "extraEnv: other objects of this chart depend on PDS_PORT. Set service.port"),
    (["extraEnv[0].name=PDS_METRICS_PORT"], "Set metrics.port"),
    (["extraEnv[0].name=PDS_DATA_DIRECTORY"], "Set pds.config.dataDir"),
    (["extraEnv[0].name=PDS_HOSTNAME"], "Set pds.config.hostname"),
    (["pds.s3.bucket=blobs"], "pds.s3.existingSecret: name the Secret"),
]

# Blocks of commands in the documents that no test runs: how they begin, and why.
NOT_RUN = {
    "make image": "pushes to a registry; `make image` itself is run by tests/cluster/image.sh",
    "helm repo add cmw-otc": "cert-manager and Open Telekom Cloud's DNS",
    "kubectl exec -n bluesky-pds sts/bluesky-pds -- pds email test": "sends a mail; tests/blackbox/command_line.rs does",
    "kubectl exec -n bluesky-pds sts/bluesky-pds -- pds relay status": "asks relays; tests/blackbox/relays.rs does",
    "kubectl create secret generic pds-obs": "keys of a bucket; tests/blackbox/bucket.rs uses one",
    "cargo build --release": "installs on this machine",
    "apt-get install -y caddy": "installs on this machine",
    "apt-get install -y nginx": "installs on this machine",
    "git pull": "another version, and pushes to a registry",
    "make dev": "CI runs `make test`, and tests/blackbox/dev.rs the server",
    "export PDS_HOSTNAME": "needs a public name; tests/helm/plain_machine.sh starts a server with the same settings",
    "pds invite create": "as above",
    "pds account create": "needs that server; tests/blackbox/command_line.rs runs the commands",
    "helm install bluesky-pds ./helm": "the block `install` of install-cce.md is this",
    "kubectl get pods": "the look at a server of others; each command is in a block of install-cce.md",
    "goat ": "another project's program, and two servers; tests/clients/migration.test.mjs makes the same requests",
}

DOCUMENTS = ["docs/install-cce.md", "docs/install-plain.md", "docs/migrate.md", "docs/runbook.md", "README.md", "helm/README.md", "ops/README.md"]

failures = []
checks = 0


def expect(condition, message):
    """Counts a check and notes it if it failed."""
    global checks
    checks += 1
    if not condition:
        failures.append(message)


def template(helm, *arguments):
    """`helm template` as a finished process."""
    command = [helm, "template", "bluesky-pds", str(CHART), "--namespace", "bluesky-pds", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def rendered(helm, *arguments):
    """The objects that Helm renders."""
    process = template(helm, *arguments)
    if process.returncode:
        sys.exit(f"{helm} template {' '.join(arguments)}:\n{process.stderr}")
    return [document for document in yaml.safe_load_all(process.stdout) if document]


def strict(schema):
    """A CRD's schema that refuses fields it does not know, as `kubectl apply --validate=strict` does."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items()}
    known = schema.get("properties")
    if isinstance(known, dict) and schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
    return schema


def custom_schemas():
    """The schemas of the kinds that Kubernetes itself does not know, by version and kind."""
    found = {}
    for path in CRDS.glob("*.yaml"):
        definition = next(document for document in yaml.safe_load_all(path.read_text()) if document)["spec"]
        for version in definition["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            # What the API server itself knows of every object.
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{definition['group']}/{version['name']}", definition["names"]["kind"]] = schema
    return found


CUSTOM = custom_schemas()


def check_object(document, version, where):
    """Against the schema of one Kubernetes version."""
    name = f"{where}: {document['kind']}/{document['metadata']['name']}, Kubernetes {version}"
    if schema := CUSTOM.get((document["apiVersion"], document["kind"])):
        problem = jsonschema.exceptions.best_match(jsonschema.Draft7Validator(schema).iter_errors(document))
        expect(problem is None, f"{name}: {problem and problem.message}")
        return
    try:
        kubernetes_validate.validate(document, version, strict=True)
        expect(True, name)
    except kubernetes_validate.ValidationError as error:
        expect(False, f"{name}: {error.message}")


def check_pod(document, where):
    """Against Pod Security `restricted`, and that no name of the environment comes twice."""
    pod = document["spec"]["template"]["spec"] if document["kind"] == "StatefulSet" else document["spec"]
    expect(pod["securityContext"]["runAsNonRoot"] is True, f"{where}: root")
    expect(pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", f"{where}: seccomp")
    expect(pod["automountServiceAccountToken"] is False, f"{where}: token")
    for container in pod["containers"]:
        security = container["securityContext"]
        expect(security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}, f"{where}: privileges")
        expect(security["readOnlyRootFilesystem"] is True, f"{where}: root file system")
        names = [variable["name"] for variable in container.get("env", [])]
        expect(len(names) == len(set(names)), f"{where}: a name of the environment comes twice")


def check_rendering(helm):
    """All examples, the older chart's values, and everything at once."""
    runs = {path.name: ["-f", str(path)] for path in sorted((CHART / "examples").glob("*.yaml"))}
    runs["older chart"] = ["-f", str(ROOT / "tests/helm/older-chart-values.yaml")]
    minimal = ["-f", str(CHART / "examples/minimal.yaml")]
    runs["everything"] = minimal + [argument for value in EVERYTHING for argument in ("--set", value)]
    runs["unquoted"] = runs["everything"] + ["-f", str(ROOT / "tests/helm/unquoted-values.yaml")]
    for where, arguments in runs.items():
        for version in VERSIONS:
            for document in rendered(helm, *arguments, "--kube-version", version):
                check_object(document, version, where)
                if document["kind"] in ("StatefulSet", "Pod"):
                    check_pod(document, where)
    for values, named in REFUSED:
        process = template(helm, *minimal, *[argument for value in values for argument in ("--set", value)])
        expect(process.returncode != 0, f"{values} is taken")
        expect(named in process.stderr, f"{values}: the refusal does not name {named}: {process.stderr}")
    old = template(helm, *minimal, "--kube-version", "1.24")
    expect(old.returncode != 0, "Kubernetes 1.24 is taken")


def check_versions():
    """The chart's appVersion is the crate's version, and the changelog knows the chart's."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    crate = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    expect(chart["appVersion"] == crate, f"appVersion {chart['appVersion']} is not the crate's version {crate}")
    expect(f"\n## {chart['version']}\n" in (CHART / "CHANGELOG.md").read_text(), f"CHANGELOG.md has no section {chart['version']}")


def check_labels(queries):
    """Labels that are asked for are those of the metric, and so are their values where the document lists them."""
    table = re.findall(r"^\| (`.*?`) \| (.*?) \| (.*?) \|", (ROOT / "docs/metrics.md").read_text(), re.M)
    labels = {}
    for names, _, cell in table:
        listed = dict((label.partition(":")[0], label.partition(": ")[2].split(", ")) for label in cell.split("; "))
        labels.update((name, listed) for name in re.findall(r"`(\w+)`", names))
    for query in queries:
        for name, matchers in re.findall(r"\b((?:pds|process)_[a-z0-9_]+?)(?:_bucket|_sum|_count)?\{(.*?)\}", query):
            for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"(.*?)"', matchers):
                if label in ("namespace", "instance", "job"):
                    continue
                listed = labels[name].get(label)
                expect(listed is not None, f"{name} has no label {label}: {query}")
                for one in value.split("|") if listed and listed != [""] else []:
                    expect(one in listed, f"{name} has no {label} {one}: {query}")


def check_observation():
    """Every metric that alerts and dashboard ask for is listed, every alert has a section in the runbook and the other way round."""
    listed = set(re.findall(r"`((?:pds|process)_[a-z0-9_]+)`", (ROOT / "docs/metrics.md").read_text()))
    known = listed | {f"{name}_{part}" for name in listed for part in ("bucket", "sum", "count")}
    alerts = (CHART / "files/alerts.yaml").read_text()
    dashboard = json.loads((CHART / "files/dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = [rule for group in yaml.safe_load(alerts)["groups"] for rule in group["rules"]]
    for query in queries + [rule["expr"] for rule in rules]:
        for name in re.findall(r"\b(?:pds|process)_[a-z0-9_]+", query):
            expect(name in known, f"{name} is not in docs/metrics.md")
    check_labels(queries + [rule["expr"] for rule in rules])
    sections = re.findall(r"^## (Pds\w+)$", (ROOT / "docs/runbook.md").read_text(), re.M)
    expect(sorted(sections) == sorted(rule["alert"] for rule in rules), "the runbook's sections are not the alerts")
    for rule in rules:
        expect(rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}", f"{rule['alert']}: runbook_url")
        expect(rule["labels"]["severity"] in ("critical", "warning"), f"{rule['alert']}: severity")
    fired = re.findall(r"alertname: (\w+), exp_alerts: \[\{", (ROOT / "tests/helm/alerts_test.yaml").read_text())
    expect({rule["alert"] for rule in rules} <= set(fired), "alerts_test.yaml does not let every alert fire")
    silent = re.findall(r"eval_time: 390m, alertname: (\w+), exp_alerts: \[\]", (ROOT / "tests/helm/alerts_test.yaml").read_text())
    expect({rule["alert"] for rule in rules} == set(silent), "alerts_test.yaml does not show that every alert is silent where nothing is wrong")
    panels = [panel["id"] for panel in dashboard["panels"]]
    expect(len(panels) == len(set(panels)), "two panels have one id")


def check_scraping():
    """Prometheus takes the configuration of ops/README.md beside the alerts."""
    if not shutil.which("promtool"):
        return
    block = re.search(r"^```yaml\n(.*?)^```$", (ROOT / "ops/README.md").read_text(), re.M | re.S)[1]
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(CHART / "files/alerts.yaml", directory)
        (pathlib.Path(directory) / "prometheus.yaml").write_text(block)
        process = subprocess.run(["promtool", "check", "config", "prometheus.yaml"], cwd=directory, capture_output=True, text=True)
    expect(process.returncode == 0 and "rules found" in process.stdout + process.stderr, f"ops/README.md: {process.stdout}{process.stderr}")


def check_schemas():
    """The schemas of other projects refuse what is wrong."""
    expect(len(CUSTOM) >= 4, f"schemas are missing in {CRDS}")
    for (version, kind), schema in CUSTOM.items():
        wrong = {"apiVersion": version, "kind": kind, "metadata": {}, "spec": {"nonsense": True}}
        expect(not jsonschema.Draft7Validator(schema).is_valid(wrong), f"{version} {kind}: nonsense is taken")


def check_commands():
    """Every block of commands has a name, by which a test runs it, or a reason why none does."""
    reasons = set(NOT_RUN)
    for document in DOCUMENTS:
        text = (ROOT / document).read_text()
        for block in re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.M | re.S):
            known = [beginning for beginning in NOT_RUN if block.lstrip().startswith(beginning)]
            expect(known, f"{document}: no test runs this, and nobody says why:\n{block}")
            reasons -= set(known)
        # Debian 11 and Ubuntu 22.04 have a curl without it.
        expect("curl --json" not in text and "' --json '" not in text, f"{document}: curl --json needs curl 7.82")
    expect(not reasons, f"no block of the documents begins like this any more: {reasons}")
    plain = (ROOT / "tests/helm/plain_machine.sh").read_text()
    for name in re.findall(r"^```\w+ (\S+)$", (ROOT / "docs/install-plain.md").read_text(), re.M):
        expect(f"block {name}" in plain, f"docs/install-plain.md: tests/helm/plain_machine.sh does not use the block {name}")


def check_manifests(helm):
    """The documents' YAML is what it says: objects that Kubernetes takes, values that the chart takes, the blueprint's values word for word."""
    blueprint = yaml.safe_load((CHART / "examples/blueprint.yaml").read_text())
    for name, block in re.findall(r"^```yaml *(\S*)\n(.*?)^```$", (ROOT / "docs/install-cce.md").read_text(), re.M | re.S):
        for part in yaml.safe_load_all(block):
            if "kind" in part:
                check_object(part, VERSIONS[-1], f"docs/install-cce.md {name}")
            else:
                process = subprocess.run([helm, "template", "x", str(CHART), "-f", str(CHART / "examples/minimal.yaml"), "-f", "-"] if name != "values"
                                         else [helm, "template", "x", str(CHART), "-f", "-"], input=block, capture_output=True, text=True)
                expect(process.returncode == 0, f"docs/install-cce.md {name}: {process.stderr}")
        if name == "values":
            values = yaml.safe_load(block)
            expect(values.pop("image").get("registry") and values.pop("imagePullSecrets"), "docs/install-cce.md: the values do not say where the image is")
            expect(values == blueprint, "the values of docs/install-cce.md are not the blueprint's")


def check_queries(helm):
    """Prometheus can parse what alerts of the chart and dashboard ask."""
    rule = next(one for one in rendered(helm, "-f", str(CHART / "examples/cce-elb.yaml")) if one["kind"] == "PrometheusRule")
    queries = [one["expr"] for group in rule["spec"]["groups"] for one in group["rules"]]
    for query in queries:
        metrics = re.findall(r"\b(?:pds|process)_[a-z0-9_]+|\bup\b", query)
        expect(metrics and query.count('{namespace="bluesky-pds"') == len(metrics), f"asks for other namespaces too: {query}")
    dashboard = json.loads((CHART / "files/dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    queries += [query.replace("$__rate_interval", "5m").replace("$__range", "1h") for query in asked]
    if not shutil.which("promtool"):
        return
    rules = {"groups": [{"name": "all", "rules": [{"record": f"q{number}", "expr": query} for number, query in enumerate(queries)]}]}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(rules, file)
        file.flush()
        process = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
    expect(process.returncode == 0, f"promtool: {process.stdout}{process.stderr}")


for helm in sys.argv[1:]:
    check_rendering(helm)
    check_manifests(helm)
    check_queries(helm)
check_commands()
check_schemas()
check_scraping()
check_versions()
check_observation()
for failure in failures:
    print("FAILED", failure)
print(f"{checks - len(failures)} passed, {len(failures)} failed")
sys.exit(bool(failures))
