# The server alone: no shell, no package manager, an unprivileged user, nothing written outside /pds.
#
#   make image
#   docker run --read-only -p 3000:3000 -v pds:/pds --env-file pds.env pds:0.4.0
#
# BUILD_IMAGE may be any Debian with Rust 1.95 or newer, for the architecture that is built.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-trixie

FROM ${BUILD_IMAGE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential ca-certificates clang cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# The paths of the build machine stay out of the binary, so that the same source gives the same bytes.
RUN RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-/usr/local/cargo}=/cargo" cargo build --release --locked --bin pds

# What the binary needs of the system: the C library it was built with, certificates, and who owns the data.
RUN set -eu; root=/image; \
    mkdir -p "$root/usr/local/bin"; \
    strip --strip-all -o "$root/usr/local/bin/pds" target/release/pds; \
    ldd target/release/pds | grep -o '/[^ ]*' | sort -u | while read -r library; do \
        install -D -m 0755 "$library" "$root$library"; \
    done; \
    install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"; \
    install -D -m 0644 LICENSE-MIT LICENSE-APACHE -t "$root/usr/share/licenses/pds"; \
    printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"; \
    printf 'pds:x:1000:1000::/pds:/nonexistent\n' > "$root/etc/passwd"; \
    printf 'pds:x:1000:\n' > "$root/etc/group"; \
    install -d -m 0700 /data/pds

FROM scratch
ARG VERSION=0.4.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="pds" \
      org.opencontainers.image.description="An AT Protocol Personal Data Server in one binary" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /image/ /
COPY --from=build --chown=1000:1000 /data/ /
ENV PATH=/usr/local/bin \
    PDS_PORT=3000 \
    PDS_DATA_DIRECTORY=/pds \
    LOG_ENABLED=true
USER 1000:1000
WORKDIR /pds
VOLUME /pds
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/pds", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/pds"]
CMD ["serve"]
