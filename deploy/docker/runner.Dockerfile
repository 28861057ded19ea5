# The runner of the docker backend: Go and Python toolchains, a user, nothing else.
#
#   docker build -t code-sandbox-runner -f deploy/docker/runner.Dockerfile deploy/docker
#
# import-runner.sh beside this file makes the same image where no registry is reachable.
ARG BASE=debian:bookworm-slim
FROM ${BASE}

# Nothing here may gain privileges: the bits that let programs do so are taken away.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates golang-go python3 \
    && rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/*.log \
        /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info \
        /usr/share/go-*/test /usr/share/go-*/api \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && { getent group sandbox || groupadd --gid 10001 sandbox; } \
    && { getent passwd sandbox \
        || useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin sandbox; }

ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8

# No USER: what idles here must have an id that no job has, or a job could end it. compose.yaml takes
# its capabilities away, and every exec names the user it runs as.
CMD ["sleep", "infinity"]
