# The service. Context: the checkout. Targets:
#
#   api      sandboxd without toolchains, as a user of its own: ROLE=api
#   worker   sandboxd with Go and Python for the native backend. Starts as root and gives that up; what
#            it must be allowed is in deploy/compose/compose.yaml
#   docker   sandboxd and Docker's command line client, for SANDBOX_BACKEND=docker; starts as root, too
#
#   docker build -t code-sandbox --target docker -f deploy/docker/service.Dockerfile .
#
# BINARIES names another stage or image to take /out from, in place of compiling: what the stage
# `build` makes.
ARG BASE=debian:bookworm-slim
ARG BINARIES=build
ARG DOCKER_CLI=docker:27-cli

FROM ${BASE} AS build
WORKDIR /src
COPY dev ./
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        $(./dev packages build)
COPY . ./
RUN cmake -S . -B /build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    && ninja -C /build sandboxd sandbox-launcher sandbox-supervisor sandbox-docker-broker \
    && tools/stage.sh /build /out

FROM ${BINARIES} AS binaries

FROM ${BASE} AS runtime
COPY --from=binaries /out/packages /tmp/packages
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
        < /tmp/packages \
    && rm -rf /tmp/packages /var/cache/apt/* /var/lib/apt/lists/* \
    && groupadd --gid 10002 sandboxd \
    && useradd --uid 10002 --gid 10002 --home-dir /var/lib/code-sandbox --shell /usr/sbin/nologin \
        sandboxd \
    && install -d -o sandboxd -g sandboxd -m 700 /var/lib/code-sandbox
COPY --from=binaries /out/usr/ /usr/
ENV STATE_DIR=/var/lib/code-sandbox
VOLUME /var/lib/code-sandbox
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/sandboxd"]

FROM runtime AS api
USER sandboxd

FROM runtime AS worker
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        golang-go python3 \
    && rm -rf /var/cache/apt/* /var/lib/apt/lists/*
ENV SANDBOX_SERVICE_USER=sandboxd

FROM ${DOCKER_CLI} AS cli

FROM runtime AS docker
COPY --from=cli /usr/local/bin/docker /usr/local/bin/docker
ENV SANDBOX_SERVICE_USER=sandboxd
