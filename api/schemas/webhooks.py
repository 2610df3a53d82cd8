"""What GitHub is told about a delivery."""

from typing import Literal

from pydantic import Field

from api.schemas.base import Schema, example


class Received(Schema):
    model_config = example({"status": "stored", "delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"})
    status: Literal["stored", "duplicate", "ignored"] = Field(
        description="stored: the collector applies it within a second; duplicate: it came before; ignored: this event "
        "is not used here"
    )
    delivery: str = Field(description="X-GitHub-Delivery")
