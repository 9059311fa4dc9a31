# Tagger with OpenVINO and without torch, for CPUs (docs/docker.md). Nothing but /data is ever written to.
FROM python:3.11-slim AS build
WORKDIR /source
RUN python -m venv /opt/tagger && python -m venv /opt/build
COPY requirements-slim.txt requirements-build.txt ./
# Nothing is taken whose hash is not in these files.
RUN /opt/tagger/bin/pip install --no-cache-dir --require-hashes --only-binary=:all: --requirement requirements-slim.txt \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary=:all: --requirement requirements-build.txt
COPY . .
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/tagger/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
    && /opt/tagger/bin/pip uninstall --yes setuptools pip

FROM python:3.11-slim
# 1000 is the first user's number on most machines: whoever started with that may read their own pictures.
RUN groupadd --gid 1000 tagger \
    && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /data tagger \
    && install --directory --owner=1000 --group=1000 --mode=0750 /data \
    && install --directory /pictures /etc/tagger \
    && echo 'sources: [/pictures]' >/etc/tagger/config.yaml
COPY --from=build /opt/tagger /opt/tagger
# A page that is only seen inside a container is no use. The first start makes the token, and says the address with it.
# The variable names where the token is; it is not the token.
# hadolint ignore=DL3064
ENV PATH=/opt/tagger/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/data \
    STATE_DIRECTORY=/data \
    CACHE_DIRECTORY=/data/cache \
    TAGGER_WEB__ENABLED=true \
    TAGGER_WEB__HOST=0.0.0.0 \
    TAGGER_WEB__PORT=5000 \
    TAGGER_WEB__TOKEN_FILE=/data/token
USER 1000:1000
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/healthz', timeout=4)"]
ENTRYPOINT ["tagger"]
CMD ["run"]
