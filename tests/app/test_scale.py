"""Many repositories, long and foreign names: pages stay small, and text stays text."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from db.engine import write_scope
from db.store.records import RepositoryRecord, WorkflowRecord
from db.store.repositories import get_repository, upsert_repository, upsert_workflows
from db.store.runs import upsert_runs
from db.store.sync_state import sync_state
from tests.app.conftest import Open
from tests.app.reading import html, markdown, table
from tests.app.seeding import heartbeat, run

REPOSITORIES = 200
NAMES = (
    "CI", "🚀 Release ✨", "אוטומציה של בדיקות", "<script>alert(1)</script>",
    "Deploy to production with a name that nobody would type but somebody did, on a Friday, before the holidays",
)  # fmt: skip


@pytest.fixture
def many(empty: Engine) -> Engine:
    """200 repositories with five workflows each, of which every seventh is broken."""
    now = datetime.now(UTC).replace(microsecond=0)
    with write_scope(empty) as session:
        for number in range(1, REPOSITORIES + 1):
            name = f"acme/service-{number:03d}" if number % 20 else f"acme/{'a-very-long-name-' * 5}{number}"
            record = RepositoryRecord(number, name, "main", False, False, f"https://github.com/{name}")
            workflows = [WorkflowRecord(number * 10 + k, each, f".github/{k}.yml", "active")
                         for k, each in enumerate(NAMES)]  # fmt: skip
            upsert_repository(session, record)
            upsert_workflows(session, number, workflows)
            state = sync_state(session, number)
            state.complete_since, state.synced_at = now - timedelta(days=70), now
            runs = [
                run(number * 10 + k, now - timedelta(minutes=90 + k), repo=number, workflow_id=number * 10 + k,
                    workflow_name=each, title=each, branch="main", actor=None,
                    conclusion="failure" if (number * 5 + k) % 7 == 0 else "success")
                for k, each in enumerate(NAMES)
            ]  # fmt: skip
            upsert_runs(session, get_repository(session, number), runs)
    heartbeat(empty, now)
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
    assert f"<summary>{folded.count('ph-need ')} more</summary>" in folded
