"""Figures that skip Plotly's validation would pass it."""

import json

import plotly.graph_objects as go
import pytest

from tests.app.conftest import Open
from tests.app.reading import charts
from tests.app.seeding import RERUN, Seeded

PAGES = {"": {}, "workflow": {"id": 10}, "cost": {}, "run": {"run_id": RERUN}}


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_passes_plotlys_validation(seeded: Seeded, open_page: Open, page: str) -> None:
    found = charts(open_page(page, **PAGES[page]))
    assert found
    for each in found:
        spec = json.loads(each.proto.spec)
        assert go.Figure(spec).to_dict()["data"]
        assert spec["layout"]["template"]["layout"]["colorway"], "the page's colours"
