"""What is drawn unchecked would have passed Plotly's checks."""

import json

import plotly.graph_objects as go
import pytest

from tests.app.conftest import Open
from tests.app.reading import charts
from tests.app.seeding import RERUN, Seeded

PAGES = {"": {}, "workflow": {"id": 10}, "cost": {}, "run": {"run_id": RERUN}}


@pytest.mark.parametrize("page", PAGES)
def test_plotly_would_take_every_figure(seeded: Seeded, open_page: Open, page: str) -> None:
    found = charts(open_page(page, **PAGES[page]))
    assert found
    for each in found:
        spec = json.loads(each.proto.spec)
        assert go.Figure(spec).to_dict()["data"]
        assert spec["layout"]["template"]["layout"]["colorway"], "the page's colours"
