# The server alone: no shell, no package manager, an unprivileged user, nothing written outside /pds.
#
#   docker build -t pds .
#   docker run --read-only -p 3000:3000 -v pds:/pds --env-file pds.env pds
#
# BUILD_IMAGE may be any Debian with Rust 1.95 or newer.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-trixie

FROM ${BUILD_IMAGE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential ca-certificates clang cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin pds

# What the binary needs of the system: the C library it was built with, certificates, and an owned data directory.
RUN set -eu; root=/image; \
    install -D -m 0755 target/release/pds "$root/usr/local/bin/pds"; \
    ldd target/release/pds | grep -o '/[^ ]*' | sort -u | while read -r library; do \
        install -D -m 0755 "$library" "$root$library"; \
    done; \
    install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"; \
    install -D -m 0644 LICENSE-MIT LICENSE-APACHE -t "$root/usr/share/licenses/pds"; \
    printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"; \
    printf 'pds:x:1000:1000::/pds:/nonexistent\n' > "$root/etc/passwd"; \
    printf 'pds:x:1000:\n' > "$root/etc/group"; \
    install -d -m 0700 -o 1000 -g 1000 "$root/pds"

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
ENV PDS_PORT=3000 \
    PDS_DATA_DIRECTORY=/pds \
    LOG_ENABLED=true
USER 1000:1000
WORKDIR /pds
VOLUME /pds
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/pds", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/pds"]
CMD ["serve"]
