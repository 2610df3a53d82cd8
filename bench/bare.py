"""Minimal FastAPI application as a baseline: one route that sends the bytes of the file BODY."""

import os
from pathlib import Path

from fastapi import FastAPI, Response

app = FastAPI()
_BODY = Path(os.environ["BODY"]).read_bytes()


@app.get("/bare")
async def static_body() -> Response:
    return Response(_BODY, media_type="application/json")
