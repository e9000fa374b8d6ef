# `make` says what there is to do.

# Tools that take minutes to build live outside the clone, so that a new clone finds them.
TOOLS ?= $(HOME)/.cache/pds-tools
export PATH := $(TOOLS)/bin:$(PATH)

IMAGE ?= pds
# Older builders do not say it themselves.
BUILD_ARCHITECTURE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,amd64)
COMMITTED = $(shell git log -1 --format=%ct)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
CLIENT_TESTS := tests/clients/run.sh
CLUSTER := $(or $(PDS_CLUSTER),$(HOME)/.cache/pds-cluster)
CLIENTS := $(or $(PDS_CLIENTS_DIR),$(HOME)/.cache/pds-clients)
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
BINARY := $(TARGET)/debug/pds

# The reference server and a bench of both, kept beside this repository.
REFERENCE_DIR ?= ../shared/reference
REFERENCE_CACHE := $(or $(PDS_REFERENCE_DIR),$(HOME)/.cache/pds-reference)
RELEASE_BINARY := $(TARGET)/release/pds
BENCH_DIR ?= $(TARGET)/bench
LOG_LEVEL ?= warn

.PHONY: help dev test format-check lint unit-test client-test golden-test lexicon-check deny chart-test chart-docs chart cluster-test fuzz test-cluster bench bench-reference image

help: ## Say what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: ## Run a server on this machine, with its own PLC directory
	cargo run -- dev

test: format-check lint unit-test client-test golden-test lexicon-check deny chart-test cluster-test ## Everything that must be green before a merge

format-check: ## Is the code formatted?
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check

lint: ## Clippy, with every warning an error
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --manifest-path fuzz/Cargo.toml --target-dir $(TARGET)/fuzz --locked -- -D warnings

# The tests of buckets need an S3 server, which is installed with the clients.
unit-test: ## All Rust tests
	@tests/clients/setup.sh || [ -z "$$CI" ]
	cargo test --workspace --locked

client-test: ## Clients written by others, against a server on loopback
	cargo build --locked --bin pds
	$(CLIENT_TESTS) $(BINARY)

golden-test: ## Our answers against those recorded from the reference server
	cargo build --locked --bin pds
	REFERENCE_DIR='$(REFERENCE_DIR)' tests/golden/run.sh $(BINARY)

lexicon-check: ## Are the bundled schemas those of the pinned npm package?
	@tests/clients/setup.sh
	PATH="$(CLIENTS)/bin:$$PATH" lexicons/generate.sh --check

deny: ## Licences, bans and sources of all dependencies
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check licenses bans sources; \
	elif [ -n "$$CI" ]; then echo "cargo-deny is missing: .ci/run installs it" >&2; exit 1; \
	else printf '\n*** NOT RUN: cargo-deny is missing; cargo install cargo-deny --locked --root %s ***\n\n' $(TOOLS); fi

chart-test: ## The Helm chart: lints, unit tests, schemas of Kubernetes, refusals
	TOOLS=$(TOOLS) SERVER_BINARY=$(BINARY) tests/helm/run.sh

# Kubernetes takes long to build, so `make test` uses it only where that was done.
cluster-test:
	@if [ -x $(CLUSTER)/bin/onenode ] && [ "$$(id -u)" -eq 0 ]; then $(MAKE) --no-print-directory test-cluster; \
	else printf '\n*** NOT RUN: the install on a real cluster; `make test-cluster`, as root, builds and runs it ***\n\n'; fi

test-cluster: ## Install the chart on a real one-node Kubernetes, built from nothing (root; 20 minutes the first time)
	TOOLS=$(TOOLS) tests/cluster/run.sh

fuzz: ## Run each fuzz target for FUZZ_SECONDS (60), or only those in FUZZ (fuzz/README.md)
	CARGO_TARGET_DIR=$(TARGET)/fuzz fuzz/run.sh $(FUZZ)

chart-docs: ## Write the table of values in helm/README.md
	tests/helm/values_table.py

chart: ## Package the Helm chart into $(TARGET)
	TOOLS=$(TOOLS) tests/helm/setup.sh
	helm3 package helm --destination $(TARGET)

bench: ## Measure the server; REFERENCE=1 measures the reference server beside it (docs/performance.md)
	cargo build --release --locked --bin pds
	@mkdir -p $(BENCH_DIR)
	LOG_ENABLED=true LOG_LEVEL=$(LOG_LEVEL) cargo run --quiet --release --locked --package pds-bench -- \
	  $(RELEASE_BINARY) --data-dir $(BENCH_DIR) $(BENCH)
	@if [ -z "$(REFERENCE)" ]; then :; \
	elif [ -x $(REFERENCE_DIR)/bench.sh ]; then $(MAKE) --no-print-directory bench-reference; \
	else echo "NOT RUN: the reference server's scripts are missing at $(REFERENCE_DIR)"; fi

# Sets the reference up if that was not done with these packages; uses a PLC directory that is running already.
bench-reference:
	@cmp -s $(REFERENCE_DIR)/package-lock.json $(REFERENCE_CACHE)/package-lock.json || $(REFERENCE_DIR)/setup.sh
	REFERENCE_DIR=$(abspath $(REFERENCE_DIR)) LOG_ENABLED=true LOG_LEVEL=$(LOG_LEVEL) \
	  cargo run --quiet --release --locked --package pds-bench -- \
	  benches/reference.sh --data-dir $(BENCH_DIR) --records 200 --only proxied
	@$(REFERENCE_DIR)/start.sh plc; started=$$?; \
	PDS_CMD='$(RELEASE_BINARY) serve' $(REFERENCE_DIR)/bench.sh $(BENCH_REFERENCE); status=$$?; \
	[ $$started -ne 0 ] || $(REFERENCE_DIR)/stop.sh plc; exit $$status

# PLATFORM=linux/arm64, or linux/amd64, crosses over to another machine. IMAGE_ARGUMENTS are the builder's, such as `--build-arg BUILD_IMAGE=…`.
image: ## Build the container image with docker, podman or buildah
	@for builder in $(or $(IMAGE_BUILDER),docker podman buildah) none; do "$$builder" info >/dev/null 2>&1 && break; done; \
	case $$builder in \
	  docker) set -- docker build ;; \
	  podman) set -- podman build --format docker --timestamp $(COMMITTED) ;; \
	  buildah) set -- buildah bud --isolation chroot --format docker --timestamp $(COMMITTED) ;; \
	  none) echo "make image: none of docker, podman and buildah is there and works" >&2; exit 1 ;; \
	esac; \
	set -x; SOURCE_DATE_EPOCH=$(COMMITTED) "$$@" --tag $(IMAGE):$(VERSION) $(if $(PLATFORM),--platform $(PLATFORM) --build-arg BUILDPLATFORM=linux/$(BUILD_ARCHITECTURE)) \
	  --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$(shell git rev-parse HEAD) \
	  --build-arg CREATED=$(shell git log -1 --format=%cI) \
	  $(IMAGE_ARGUMENTS) .
