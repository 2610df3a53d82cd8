# The dashboard. Dockerfile.collector describes the arguments.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
COPY deploy/image/app.lock deploy/image/slim.py deploy/image/ready.py /build/
RUN python3 -m venv --without-pip /venv \
 && python3 -m pip --python /venv/bin/python install --quiet --disable-pip-version-check --no-cache-dir --no-compile \
    --only-binary :all: --require-hashes -r /build/app.lock \
 && python3 /build/slim.py /venv/lib/python3*/site-packages
WORKDIR /srv
COPY db/ db/
COPY health/ health/
COPY core/ core/
COPY app/ app/
COPY .streamlit/config.toml .streamlit/
RUN /venv/bin/python /build/ready.py db health.metrics health.completeness health.insights health.alerts.attention app streamlit.web.cli streamlit.web.bootstrap streamlit.elements.arrow pyarrow.parquet

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Pipeline Health: dashboard" \
      org.opencontainers.image.description="Shows the health of GitHub Actions pipelines" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /venv /venv
COPY --from=build /srv /srv
WORKDIR /srv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/health/live', timeout=4).read()"]
CMD ["streamlit", "run", "app/main.py", "--server.port", "8501", "--server.address", "0.0.0.0", "--logger.level", "warning"]
