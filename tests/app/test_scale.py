"""Many repositories, long and foreign names: pages stay small, and text stays text."""

import pytest
from sqlalchemy import Engine

from tests.app.conftest import Open
from tests.app.crowd import crowd
from tests.app.reading import html, markdown, table


@pytest.fixture
def many(empty: Engine) -> Engine:
    crowd(empty)
    return empty


def test_a_thousand_workflows_are_a_page_of_kilobytes(many: Engine, open_page: Open) -> None:
    overview = open_page()
    assert len(table(overview, "workflows")) == 15
    assert "All 1,000 workflows" in "\n".join(html(overview))
    assert sum(len(block) for block in html(overview)) < 300_000
    page = open_page("workflow")
    assert len(table(page, "all-workflows")) == 50
    assert len(page.get("pagination")) == 1
    page.text_input(key="workflow-q").set_value("service-117 / ci").run()
    assert [row["Workflow"].value for row in table(page, "all-workflows")] == ["acme/service-117 / CI"]
    for each in (overview, page):
        assert "<script>alert" not in "\n".join(html(each)) + markdown(each)
    strip = next(block for block in html(overview) if 'class="ph-attention"' in block)
    shown, _, folded = strip.partition("<details>")
    assert shown.count('class="ph-need') == 5
    assert folded.startswith("<summary>138 more</summary>")
    assert folded.count('class="ph-need ph-') == 96
    assert "and 43 more of a lower rank" in folded
