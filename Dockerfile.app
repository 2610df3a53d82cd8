# The dashboard.
FROM python:3.11-slim AS build
COPY requirements.txt /tmp/
RUN grep -vE '^(apscheduler|fastapi|fastapi-offline|honcho|limits|prometheus-client|redis|requests|slack-sdk|tqdm)==' /tmp/requirements.txt > /tmp/app.txt \
 && python -m venv /venv \
 && /venv/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check -r /tmp/app.txt \
 && rm -rf /venv/lib/python3*/site-packages/pip /venv/lib/python3*/site-packages/setuptools /venv/bin/pip* \
 && find /venv -type d -name tests -prune -exec rm -rf {} +

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /srv --shell /usr/sbin/nologin health
WORKDIR /srv
COPY --from=build /venv /venv
COPY db/ db/
COPY app/ app/
COPY .streamlit/config.toml .streamlit/
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER health
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/health/live', timeout=4).read()"]
CMD ["streamlit", "run", "app/main.py", "--server.port", "8501", "--server.address", "0.0.0.0", "--logger.level", "warning"]
