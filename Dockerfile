# fer for scoring and serving: inference alone, no training libraries, not as root.
#
#   docker build -t fer .
#   docker run --rm -v "$PWD:/data" fer predict faces.parquet --to answers --model model.onnx
#   docker run --rm -v "$PWD:/data" -e FER_TOKEN -p 8000:8000 fer serve --host 0.0.0.0 \
#     --tls-cert cert.pem --tls-key key.pem
#
# The folder that is mounted has to be writable by the user that runs: --user "$(id -u):$(id -g)".

FROM python:3.12.11-slim-bookworm AS build

# As far as this version of fer has them: pip passes over extras that are not there.
ARG EXTRAS=score,serve

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY conf conf
COPY fer fer
RUN python -m venv /opt/fer && /opt/fer/bin/pip install ".[${EXTRAS}]"

FROM python:3.12.11-slim-bookworm

LABEL org.opencontainers.image.title="fer" \
      org.opencontainers.image.description="Facial expression recognition: scoring and serving" \
      org.opencontainers.image.licenses="MIT"

# fer switches telemetry off by itself; this is for whoever uses the libraries without it.
ENV PATH=/opt/fer/bin:$PATH PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1 DO_NOT_TRACK=1

RUN useradd --uid 10001 --create-home fer
COPY --from=build /opt/fer /opt/fer

USER 10001
WORKDIR /data

# Says that the command starts with all that it imports first; a server has a port of its own to ask.
HEALTHCHECK --interval=60s --timeout=15s --start-period=15s CMD ["fer", "--version"]

ENTRYPOINT ["fer"]
CMD ["--help"]
