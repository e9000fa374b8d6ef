# The server alone: no shell, no package manager, an unprivileged user, nothing written outside /pds.
#
#   make image
#   docker run --read-only -p 3000:3000 -v pds:/pds --env-file pds.env pds:0.4.0
#
# BUILD_IMAGE may be any Debian with Rust 1.95 or newer, for the machine that builds. The image is for the platform that is asked for, amd64 or
# arm64 (`make image PLATFORM=linux/arm64`): the compiler crosses over, nothing is emulated.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-trixie

FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
ARG TARGETARCH
COPY image-build.sh /usr/local/bin/image-build
RUN /usr/local/bin/image-build "$TARGETARCH" prepare
WORKDIR /source
COPY . .
# Compiled in: the label of `pds_build_info`.
ARG REVISION=unknown
# What the binary needs of the system: the C library it was built with, certificates, and who owns the data. No file tells when it was made: the
# same source and the same packages give the same bytes.
RUN /usr/local/bin/image-build "$TARGETARCH" install /image \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && install -D -m 0644 LICENSE-MIT LICENSE-APACHE -t /image/usr/share/licenses/pds \
    && printf 'hosts: files dns\n' >/image/etc/nsswitch.conf \
    && printf 'pds:x:1000:1000::/pds:/nonexistent\n' >/image/etc/passwd \
    && printf 'pds:x:1000:\n' >/image/etc/group \
    && install -d -m 0700 /data/pds \
    && find /image /data -exec touch --no-dereference --date=@0 {} +

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
