#
# State comes last: a new one rebuilds its own layer and no other. Code comes before it, dependencies before that.
# What it reads besides the project's code is not in git; this command, in the project's directory, writes it:
#   statebake bake docker --no-build
# Secrets, each only if you have it: pip_conf (a pip.conf, for a package index), netrc, ca (a CA bundle). For example
#   docker build --secret id=pip_conf,src=$HOME/.config/pip/pip.conf .
FROM python:3.12-slim AS base
# The stages below install and prepare; the image itself runs as 1000:1000.
# hadolint ignore=DL3002
USER 0

# Code and state lie in one tree; here they are taken apart, so that what copies the one is not rebuilt for the other.
FROM base AS parts
COPY ["src/", "/parts/code/src/"]
# The manifest says which keys there must be. No such file? `statebake bake docker --no-build` writes it.
COPY [".statebake/statebake-manifest.json", ".statebake/move_state.py", "/parts/"]
RUN set -eu; \
    python3 /parts/move_state.py /parts/statebake-manifest.json /parts/code/src/shop/defs/.local_defs_state /parts/layer/app/src/shop/defs/.local_defs_state; \
    chmod -R u=rwX,go=rX /parts; \
    find /parts -exec touch -h -d @315532800 {} +

FROM base AS dependencies
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=netrc,target=/root/.netrc \
    --mount=type=secret,id=ca \
    set -eu; \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca SSL_CERT_FILE=/run/secrets/ca; fi; \
    python3 -m venv /opt/pip; \
    python3 -m venv --without-pip /opt/venv; \
    /opt/pip/bin/python -m pip install --quiet --disable-pip-version-check pip==25.3
COPY [".statebake/dependencies/", "/build/"]
WORKDIR /build
# What has no hash is installed after what has: pip wants a hash for everything in a file, or for nothing.
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=netrc,target=/root/.netrc \
    --mount=type=secret,id=ca \
    set -eu; \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca SSL_CERT_FILE=/run/secrets/ca; fi; \
    for file in requirements.txt unhashed.txt; do \
        if [ -e "$file" ]; then /opt/pip/bin/python -m pip --python /opt/venv/bin/python install --requirement "$file"; fi; \
    done

# Compiled here, for nobody can write there later. What is no Python, a template say, stays as it is.
FROM base AS code
COPY --from=parts /parts/code /app
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /app || true; \
    chmod -R u=rwX,go=rX /app; \
    find /app -exec touch -h -d @315532800 {} +

FROM base
COPY --link --from=dependencies /opt/venv /opt/venv
COPY --link --from=code /app /app
LABEL "org.opencontainers.image.title"="shop" \
      "org.opencontainers.image.version"="1.0" \
      "io.statebake.state"="/app/src/shop/defs/.local_defs_state"
ENV PATH="/opt/venv/bin:$PATH" \
    PYTHONPATH="/app/src"
WORKDIR /app
USER 1000:1000
# The command is what runs, whatever the base image puts before one.
ENTRYPOINT []
CMD ["python", "-m", "shop"]
# The state, at /app/src/shop/defs/.local_defs_state. With its parent directories, for their times are a part of the layer too.
COPY --link --from=parts /parts/layer/ /
