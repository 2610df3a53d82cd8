"""Saved views of the dashboard."""

from typing import Any

from pydantic import Field

from api.schemas.base import Schema, Time, example

_VIEW: dict[str, Any] = {
    "id": 3, "name": "Payments team", "description": "failures of our services", "page": "runs",
    "query": "conclusion=failure&period=7d&repo=acme%2Fpayments",
    "link": "runs?conclusion=failure&period=7d&repo=acme%2Fpayments&saved=3", "owner": "ann@example.com",
    "created_at": "2026-11-20T09:12:44Z", "updated_at": "2026-11-23T10:00:01Z",
}  # fmt: skip


class View(Schema):
    model_config = example(_VIEW)
    id: int
    name: str
    description: str
    page: str = Field(description="Path of the page, empty for the Overview")
    query: str = Field(description="The filters as the query of the page's URL, percent-encoded")
    link: str = Field(description="URL that opens the view, relative to the dashboard's")
    owner: str | None = Field(description="The user who saved it; null if the dashboard had no login")
    created_at: Time
    updated_at: Time


class Views(Schema):
    model_config = example({"items": [_VIEW]})
    items: list[View]
