"""The links of a chart: what a click on a mark opens, and what a drag along the time axis selects. They travel in the
`meta` of the figure and of its traces; app/javascript/charts reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from app.frames.buckets import Buckets


@dataclass(frozen=True)
class ChartLinks:
    """`address`: the page to which a mark adds its query, such as `runs?repo=acme%2Fapi`; empty if marks contain whole
    addresses or have none. `buckets`: the buckets of the time axis; a mark selects the dates of its bucket, and a drag
    those of several. `markers`: the address of each change marker, in their order. `zone`: of the time axis."""

    address: str = ""
    buckets: Buckets | None = None
    markers: Sequence[str] = ()
    zone: str = "UTC"


def with_links(spec: dict[str, Any], links: ChartLinks) -> dict[str, Any]:
    """The figure with its links."""
    meta: dict[str, Any] = {"address": links.address, "zone": links.zone}
    if links.buckets:
        meta |= {"at": links.buckets.at, "dates": links.buckets.dates, "centred": links.buckets.centred}
    if links.markers:
        meta["markers"] = list(links.markers)
    return {**spec, "layout": spec["layout"] | {"meta": meta}}


def trace_query(*query: tuple[str, object]) -> dict[str, Any]:
    """The `meta` of a trace whose marks add this query to the address of the chart."""
    return {"query": urlencode([(name, str(value)) for name, value in query])}


# The `meta` of a trace whose marks have an address, or a query, of their own: the first value of their `customdata`.
OWN_LINKS: dict[str, Any] = {"marks": True}
