# A worker on CPUs: the code under /opt/facepairs with the environment that requirements.lock names.
#   docker build --tag facepairs:cpu .
# Runs come from a Prefect work pool (prefect.yaml, docs/operations.md); by itself the image is the command line:
#   docker run --rm --volume faces:/var/cache/facepairs facepairs:cpu assets fetch
#   docker run --rm --volume faces:/var/cache/facepairs --volume "$PWD/out:/opt/facepairs/out" facepairs:cpu \
#     synthesize --pairs 24 --out out/demo
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 faces && mkdir --parents /opt/facepairs/out /var/cache/facepairs \
    && chown --recursive faces /opt/facepairs /var/cache/facepairs
WORKDIR /opt/facepairs

# The environment first: it changes less often than the code.
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock

COPY --chown=faces pyproject.toml prefect.yaml README.md LICENSE NOTICE ./
COPY --chown=faces storage storage
COPY --chown=faces models models
COPY --chown=faces assets assets
COPY --chown=faces tasks tasks
COPY --chown=faces flows flows
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .

USER faces
# The face-parsing checkpoint may not be passed on in an image: `assets fetch` puts it into the cache volume.
ENV FACEPAIRS_HOME=/opt/facepairs \
    FACEPAIRS_CACHE=/var/cache/facepairs \
    FACEPAIRS_ASSETS=/var/cache/facepairs/assets \
    DO_NOT_TRACK=1
ENTRYPOINT ["facepairs"]
CMD ["--help"]
