#!/usr/bin/env python3
"""check_image.py TAR VERSION: is the image (a docker-archive) what the Dockerfile promises? An unprivileged user, labels, a health check, and nothing to
run but the server."""
import io
import json
import sys
import tarfile

path, version = sys.argv[1:]
with tarfile.open(path) as archive:
    manifest = json.load(archive.extractfile("manifest.json"))[0]
    config = json.load(archive.extractfile(manifest["Config"]))["config"]
    files = {}
    for layer in manifest["Layers"]:
        with tarfile.open(fileobj=io.BytesIO(archive.extractfile(layer).read())) as content:
            files.update(("/" + member.name.strip("./"), member) for member in content)

labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
programs = sorted(name for name, member in files.items() if member.isfile() and member.mode & 0o111 and not name.startswith(("/lib", "/usr/lib")))
data = files["/pds"]
wrong = [said for holds, said in [
    (config["User"] == "1000:1000", f"the user is {config['User']}"),
    (config["Entrypoint"] == ["/usr/local/bin/pds"] and config["Cmd"] == ["serve"], f"it runs {config['Entrypoint']} {config['Cmd']}"),
    (config["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/pds", "healthcheck"], f"the health check is {config['Healthcheck']}"),
    ({"PATH=/usr/local/bin", "PDS_PORT=3000", "PDS_DATA_DIRECTORY=/pds"} <= set(config["Env"]), f"the environment is {config['Env']}"),
    ("3000/tcp" in config["ExposedPorts"] and "/pds" in config["Volumes"], "port or volume is missing"),
    (labels.get("version") == version and len(labels.get("revision", "")) == 40 and labels.get("licenses") == "MIT OR Apache-2.0", f"the labels are {labels}"),
    (labels.get("title") == "pds" and labels.get("created", "1970") > "2020", f"the labels are {labels}"),
    (programs == ["/usr/local/bin/pds"], f"there are other programs than the server: {programs}"),
    (data.isdir() and (data.uid, data.gid, data.mode & 0o777) == (1000, 1000, 0o700), f"/pds is {data.uid}:{data.gid} {data.mode:o}"),
    (files.get("/etc/ssl/certs/ca-certificates.crt") and files["/etc/ssl/certs/ca-certificates.crt"].size > 100_000, "the CA certificates are missing"),
    (not any(member.mode & 0o6000 for member in files.values()), "a file is setuid or setgid"),
] if not holds]
for said in wrong:
    print("the image:", said, file=sys.stderr)
sys.exit(bool(wrong))
