#!/bin/bash
# reference.sh serve   the reference server as pds-bench starts a server: settings in the environment, one process that measures as itself.
# REFERENCE_DIR names the directory of its scripts.
set -euo pipefail
. "$REFERENCE_DIR/env.sh"
mkdir -p "$PDS_DATA_DIRECTORY" "$PDS_BLOBSTORE_DISK_LOCATION"
export NODE_ENV=production
exec node "$REFERENCE_SCRIPTS/servers/pds.mjs"
