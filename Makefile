# `make` says what there is to do.

# Tools that take minutes to build live outside the clone, so that a new clone finds them.
TOOLS ?= $(HOME)/.cache/pds-tools
export PATH := $(TOOLS)/bin:$(PATH)

IMAGE ?= pds
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
CLIENT_TESTS := tests/clients/run.sh
BINARY := $(abspath $(or $(CARGO_TARGET_DIR),target)/debug/pds)

.PHONY: help dev test format-check lint unit-test client-test deny bench image

help: ## Say what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: ## Run a server on this machine, with its own PLC directory
	cargo run -- dev

test: format-check lint unit-test client-test deny ## Everything that must be green before a merge

format-check: ## Is the code formatted?
	cargo fmt --all --check

lint: ## Clippy, with every warning an error
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit-test: ## All Rust tests
	cargo test --workspace --locked

client-test: ## Clients written by others, against a server on loopback
	@if [ -f $(CLIENT_TESTS) ]; then cargo build --locked --bin pds && $(CLIENT_TESTS) $(BINARY); \
	else echo "NOT RUN: $(CLIENT_TESTS) does not exist"; fi

deny: ## Licences, bans and sources of all dependencies
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check licenses bans sources; \
	elif [ -n "$$CI" ]; then echo "cargo-deny is missing: .ci/run installs it" >&2; exit 1; \
	else printf '\n*** NOT RUN: cargo-deny is missing; cargo install cargo-deny --locked --root %s ***\n\n' $(TOOLS); fi

bench: ## Measure
	cargo bench --workspace --locked

image: ## Build the container image
	docker build --tag $(IMAGE):$(VERSION) \
	  --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$(shell git rev-parse HEAD) \
	  --build-arg CREATED=$(shell git log -1 --format=%cI) .
