#!/usr/bin/env bash
# The chart's tests with Helm 3 and 4. A tool that cannot be had is said loudly; in CI it is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly tools="${TOOLS:-$HOME/.cache/pds-tools}"

status=0
TOOLS="$tools" tests/helm/setup.sh || status=$?
if [ "$status" -ne 0 ]; then
  printf '\n*** NOT RUN: the tests of the chart, for tests/helm/setup.sh could not get its tools (status %s) ***\n\n' "$status" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 0
fi

tests/helm/values_table.py --check
for helm in "$tools/bin/helm3" "$tools/bin/helm4"; do
  "$helm" version --short
  for values in helm/examples/*.yaml tests/helm/older-chart-values.yaml; do
    "$helm" lint --strict --quiet helm --values "$values"
  done
done
# Whole paths: a relative one that contains the chart's directory name finds nothing, and finding nothing passes.
suites=()
for suite in "$PWD"/tests/helm/suites/*_test.yaml; do suites+=(--file "$suite"); done
"$tools/bin/helm-unittest" --strict "${suites[@]}" helm
TOOLS="$tools" "$tools/chart-python/bin/python" tests/helm/check.py "$tools/bin/helm3" "$tools/bin/helm4"
if command -v promtool >/dev/null; then
  promtool check rules --lint=all ops/alerts.yaml
  promtool test rules tests/helm/alerts_test.yaml
else
  printf '\n*** NOT RUN: promtool is missing (Debian: prometheus), so nobody has parsed the alerts ***\n\n' >&2
  [ -z "${CI:-}" ]
fi
tests/helm/plain.sh
