"""From a question to its answer: causes, first bad commits, evidence of flaky runs, and differences of runs."""

import json
import re
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from app.components.cause_page import differing_part, distinction_rows
from app.components.run import usual_text
from db.definitions.records import AttemptRecord, LogRecord, RunDetailsRecord
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.jobs.job_writes import store_run_details
from db.logs.log_writes import store_log
from db.models import Run
from db.repositories.repository_writes import get_repository
from health.insights.causes.distinctions import Distinction, Feature
from health.insights.causes.queries import cause_runs
from health.metrics.workflows import UsualDuration
from tests.app.conftest import Open
from tests.app.reading import charts, everything, facts, html, markdown, table
from tests.app.seeding import HOSTILE_BRANCH, RERUN, RUNNING, SECRET_LINE, UNREAD, Seeded, job, run, store
from tests.builders import roll_up

FLAKY = 70_001


def _refresh() -> None:
    from app.data.connection import reset_engine

    reset_engine()


def _make_flaky(seeded: Seeded) -> None:
    at = seeded.now - timedelta(hours=5)
    store(seeded.engine, 2, run(FLAKY, at, repo=2, attempt=2))
    attempts = tuple(
        AttemptRecord(k, "completed", ended, at, at + timedelta(minutes=3), "alice")
        for k, ended in ((1, "failure"), (2, "success"))
    )
    jobs = (job(FLAKY * 10, "e2e <b>", at, conclusion="failure"), job(FLAKY * 10 + 1, "e2e <b>", at, attempt=2))
    log = LogRecord(FLAKY * 10, FLAKY, LogState.EXPIRED, error_line="timeout <i>30s</i>", fingerprint="t")
    with write_scope(seeded.engine) as session:
        details = [RunDetailsRecord(FLAKY, attempts, jobs, seeded.now)]
        store_run_details(session, get_repository(session, 2), details)
        store_log(session, 2, log, seeded.now)
    roll_up(seeded.engine, seeded.now)


def _failure(page_html: list[str]) -> str:
    return next(block for block in page_html if "Why it failed" in block)


def test_a_failed_run_leads_to_the_first_bad_commit_and_the_last_success(seeded: Seeded, open_page: Open) -> None:
    region = _failure(html(open_page("run", run_id=8002)))
    assert "No error was extracted from the logs" in region
    assert re.search(r'failing since <a href="run\?run_id=8000"[^>]*>#8000</a>', region)
    sha = f"{8000:08x}" * 5
    assert re.search(rf'first bad commit <code><a href="runs\?q={sha}&amp;repo=acme%2Fweb&amp;period=30d"', region)
    assert f'href="https://github.com/acme/web/commit/{sha}" target="_blank" rel="noopener noreferrer"' in region
    success = re.search(r'last success <a href="run\?run_id=(\d+)"', region)
    assert success is not None
    assert f'href="compare?runs={success[1]}%2C8002" target="_self">Compare with the last success</a>' in region


def test_the_history_of_a_cause_has_a_chart(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        log = LogRecord(UNREAD * 10, UNREAD, LogState.EXPIRED, error_line=SECRET_LINE, fingerprint="f")
        store_log(session, 1, log, seeded.now)
    region = _failure(html(open_page("run", run_id=RERUN)))
    assert "2 runs with this line in 1 workflow since" in region
    assert 'alt="Runs with this line by day, the last 31 days"' in region
    assert "data:image/svg+xml" in region


def test_names_on_the_run_page_lead_to_runs_and_to_github(seeded: Seeded, open_page: Open) -> None:
    head = next(block for block in html(open_page("run", run_id=RERUN)) if "ph-crumb" in block)
    assert "branch=feat%2F%3Cb%3Ex%3C%2Fb%3E" in head
    assert "https://github.com/acme/web/tree/feat/%3Cb%3Ex%3C/b%3E" in head
    assert "actor=%3Ci%3Emallory%3C%2Fi%3E" in head
    assert "mallory%3C/i%3E" not in head, "no GitHub page for what is no login"
    assert HOSTILE_BRANCH not in head
    plain = open_page("run", run_id=8002)
    assert 'href="https://github.com/bob"' in everything(plain)
    links = [(button.proto.label, button.proto.url) for button in plain.get("link_button")]
    assert ("Re-run on GitHub", "https://github.com/acme/x/actions/runs/8002") in links
    attempt = open_page("run", run_id=RERUN, attempt=1).get("link_button")
    assert f"https://github.com/acme/x/actions/runs/{RERUN}/attempts/1" in [button.proto.url for button in attempt]
    assert "Re-run on GitHub" not in [b.proto.label for b in open_page("run", run_id=1000).get("link_button")]


def test_the_list_of_runs_links_commits_branches_and_actors(seeded: Seeded, open_page: Open) -> None:
    row = next(row for row in table(open_page("runs", period="7d"), "runs") if row["Run"].links == ["run?run_id=8002"])
    sha = f"{8002:08x}" * 5
    assert row["Branch"].links == [
        "runs?repo=acme%2Fweb&branch=main&period=7d",
        f"runs?q={sha}&repo=acme%2Fweb&period=7d",
        f"https://github.com/acme/web/commit/{sha}",
    ]
    assert row["Started by"].links == ["runs?actor=bob&period=7d"]
    assert [row["Run"].links for row in table(open_page("runs", q=sha), "runs")] == [["run?run_id=8002"]]


def test_a_running_run_shows_its_age_and_the_usual_duration(seeded: Seeded, open_page: Open) -> None:
    page = open_page("run", run_id=RUNNING)
    assert re.fullmatch(r"[3-9]m \d\ds so far", facts(page)["Duration"])
    assert re.search(r"usually \dm \d\ds, p95 \dm \d\ds", everything(page))


def test_the_usual_duration_gives_the_expected_rest() -> None:
    usual = UsualDuration(120.0, 300.0, 40)
    assert usual_text(usual, None) == "usually 2m 00s, p95 5m 00s"
    assert usual_text(usual, 60).endswith("about 1m 00s left")
    assert usual_text(usual, 180).endswith("longer than usual")
    assert usual_text(usual, 400).endswith("longer than 95% of runs")


def test_flaky_runs_are_listed_with_job_line_and_commit(seeded: Seeded, open_page: Open) -> None:
    _make_flaky(seeded)
    _refresh()
    page = open_page("flaky")
    assert table(page, "flaky")[0]["Flaky jobs"].links == ["flaky?repo=acme%2Fapi&workflow=CI"]
    (row,) = table(page, "flaky-cases")
    assert row["Attempts"].text == "Attempt 1 ✕ FailedAttempt 2 ✓ Success"
    assert row["Attempts"].links == [f"run?run_id={FLAKY}&attempt={k}" for k in (1, 2)]
    assert row["Commit"].value == f"{FLAKY:08x}" * 5
    assert row["Failed job"].links == [f"log?run_id={FLAKY}&attempt=1&job_id={FLAKY * 10}"]
    assert (row["Failed job"].text, row["Matched log line"].text) == ("e2e <b>", "timeout <i>30s</i>")
    shown = everything(page)
    assert 'data-figure="flaky_runs"' in shown
    assert "<i>30s" not in shown
    assert table(open_page("flaky", repo=["acme/web"]), "flaky-cases") == []


def test_a_commit_with_a_failed_and_a_passed_run_shows_both(seeded: Seeded, open_page: Open) -> None:
    _make_flaky(seeded)
    at, sha = seeded.now - timedelta(hours=4), "c0ffee01" * 5
    conclusions = ("success", "failure", "failure", "success", "success")
    store(
        seeded.engine,
        2,
        *(
            run(FLAKY + 10 + k, at + timedelta(minutes=k), repo=2, head_sha=sha, conclusion=conclusion)
            for k, conclusion in enumerate(conclusions)
        ),
        # Only failures, and another workflow that passed.
        run(FLAKY + 20, at, repo=2, head_sha="0" * 40, conclusion="failure"),
        run(FLAKY + 21, at, repo=2, head_sha="0" * 40, workflow_id=21, workflow_name="Deploy"),
    )
    failed, passed = FLAKY + 12, FLAKY + 13
    log = LogRecord(failed * 10, failed, LogState.EXPIRED, error_line="timeout <i>30s</i>", fingerprint="t")
    with write_scope(seeded.engine) as session:
        jobs = (job(failed * 10, "e2e <b>", at, conclusion="failure"),)
        attempts = (AttemptRecord(1, "completed", "failure", at, at + timedelta(minutes=3), "alice"),)
        store_run_details(session, get_repository(session, 2), [RunDetailsRecord(failed, attempts, jobs, seeded.now)])
        store_log(session, 2, log, seeded.now)
    roll_up(seeded.engine, seeded.now)
    _refresh()
    page = open_page("flaky")
    (row,) = table(page, "same-commit")
    assert row["Failed run"].links == [f"run?run_id={failed}", f"log?run_id={failed}&attempt=1&job_id={failed * 10}"]
    assert row["Passed run"].links == [f"run?run_id={passed}", f"compare?runs={passed},{failed}".replace(",", "%2C")]
    assert (row["Failed job"].text, row["Matched log line"].text) == ("e2e <b>", "timeout <i>30s</i>")
    assert row["Commit"].value == sha
    workflow = table(page, "flaky")[0]["Same commit"]
    assert (workflow.value, workflow.links) == ("1", ["flaky?repo=acme%2Fapi&workflow=CI"])
    assert "<i>30s" not in everything(page)
    # The last run of the commit failed, so that the one before it is shown.
    store(seeded.engine, 2, run(FLAKY + 15, at + timedelta(minutes=9), repo=2, head_sha=sha, conclusion="failure"))
    _refresh()
    (row,) = table(open_page("flaky"), "same-commit")
    assert row["Passed run"].links[0] == f"run?run_id={FLAKY + 14}"


def test_a_flaky_run_shows_what_each_attempt_did(seeded: Seeded, open_page: Open) -> None:
    _make_flaky(seeded)
    _refresh()
    block = next(block for block in html(open_page("run", run_id=FLAKY)) if 'aria-label="Attempts"' in block)
    assert "Flaky: failed, then passed" in block
    assert "all attempts ran on commit" in block
    text = re.sub(r"<[^>]*>", "", block)
    assert "Attempt 1 ✕ Failed e2e &lt;b&gt;: timeout &lt;i&gt;30s&lt;/i&gt;" in text
    assert "Attempt 2 ✓ Success" in text


def _store_log(seeded: Seeded, run_id: int, lines: list[str]) -> None:
    log = LogRecord(run_id * 100, run_id, LogState.STORED, "\n".join(lines), 99, False, 1, (), None, None)
    with write_scope(seeded.engine) as session:
        store_log(session, 1, log, seeded.now)


def test_compared_runs_show_steps_and_differences_of_logs(seeded: Seeded, open_page: Open) -> None:
    page = open_page("compare", runs="1000,8002")
    assert [row["Step"].value for row in table(page, "steps-0")] == ["Run tests"]
    assert [row["Step"].value for row in table(page, "runner-steps-0")] == ["Set up job"]
    assert "1 housekeeping step" in everything(page)
    assert "Both logs are needed" in markdown(page)
    assert [button.label for button in page.button if button.label == "Fetch this log"] == ["Fetch this log"] * 2
    same = [f"2026-11-23T11:00:{k:02d}.0Z step {chr(97 + k)}" for k in range(20)]
    _store_log(seeded, 1000, [*same, "<b>pass</b> in 3s", "exit code 0"])
    _store_log(seeded, 8002, [line.replace("11:00", "12:00") for line in same] + ["<b>fail</b> in 9s", "exit code 1"])
    _refresh()
    page = open_page("compare", runs="1000,8002", job="build")
    diff = next(block for block in html(page) if "ph-diff-head" in block)
    assert "2 differing lines" in diff
    assert "17 equal lines</a>" in diff
    assert "&lt;b&gt;pass&lt;/b&gt; in 3s" in diff
    assert 'href="log?run_id=8002&amp;job_id=800200&amp;line=22"' in diff
    assert "step r" in diff
    assert "step a" not in diff
    assert everything(page).index("ph-diff-head") < everything(page).index('data-table="compared"')
    row = table(page, "compared")[0]
    assert row["Job"].links == ["compare?runs=1000%2C8002&job=build"]
    assert row["#8002"].links == ["log?run_id=8002&attempt=1&job_id=800200"]
    unknown = open_page("compare", runs="1000,8002", job="<b>nope</b>")
    assert "do not both have this job" in markdown(unknown).replace("\\", "")


def test_columns_of_compared_runs_have_keys_of_their_own(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        session.execute(update(Run).where(Run.id.in_((1000, 8002))).values(run_number=12))
    _refresh()
    page = open_page("compare", runs="1000,8002", sort="compared.-run-2", columns="compared.-run-1")
    assert not page.warning
    for name in ("compared", "steps-0"):
        body = next(block for block in html(page) if f'data-table="{name}"' in block)
        keys = re.findall(r'data-key="([^"]*)"', body.partition(f'data-table="{name}"')[2].partition("</thead>")[0])
        assert keys[1:] == ["run-1", "run-2", "change"]
    assert page.query_params["sort"] == "compared.-run-2"


def test_failures_have_key_figures_and_a_search(seeded: Seeded, open_page: Open) -> None:
    page = open_page("failures")
    shown = everything(page)
    assert all(
        f'data-figure="{name}"' in shown for name in ("failures", "infrastructure", "new_causes", "untriaged_causes")
    )
    assert len(table(page, "causes")) == 1
    assert len(table(open_page("failures", line="ONERROR"), "causes")) == 1
    assert len(table(open_page("failures", line="acme/web / ci"), "causes")) == 1
    nothing = open_page("failures", line="<b>nothing</b>")
    assert table(nothing, "causes") == []
    assert "No failure causes in this period match the search and the filters." in markdown(nothing)


def test_the_runs_of_a_cause_show_job_branch_and_what_differs(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        other = LogRecord(
            UNREAD * 10, UNREAD, LogState.EXPIRED, error_line=SECRET_LINE.replace("2", "3"), fingerprint="f"
        )
        store_log(session, 1, other, seeded.now)
    page = open_page("failures", cause="f")
    rows = {row["Run"].links[0]: row for row in table(page, "cause-runs")}
    same, differs = rows[f"run?run_id={RERUN}"], rows[f"run?run_id={UNREAD}"]
    assert (same["Matched log line"].text, differs["Matched log line"].text) == (
        "same line",
        "… src=x onerror=alert(3)> …",
    )
    assert (same["Job"].text, same["Branch"].text) == ("<b>test</b>", HOSTILE_BRANCH)
    crumb = next(block for block in html(page) if "ph-crumb" in block)
    assert re.search(r"aria-current=\"page\"[^>]*>&lt;img src=x onerror", crumb)


def test_the_page_of_a_cause_shows_its_first_run_and_what_distinguishes_its_runs(
    seeded: Seeded, open_page: Open
) -> None:
    page = open_page("failures", cause="f")
    assert "Fewer than 5 runs have this cause" in markdown(page)
    assert not table(page, "distinctions")
    for number in range(60_001, 60_009):
        at = seeded.now - timedelta(hours=5 * (number - 60_000))
        store(seeded.engine, 1, run(number, at, conclusion="failure", branch="release/<b>1</b>"))
        with write_scope(seeded.engine) as session:
            failed = job(number * 10, "build", at, conclusion="failure")
            store_run_details(session, get_repository(session, 1), [RunDetailsRecord(number, (), (failed,), at)])
            record = LogRecord(number * 10, number, LogState.EXPIRED, error_line=SECRET_LINE, fingerprint="f")
            store_log(session, 1, record, seeded.now)
    _refresh()
    page = open_page("failures", cause="f")
    rows = {row["Feature"].value: row for row in table(page, "distinctions")}
    assert set(rows) == {"Branch"}
    assert rows["Branch"]["Value"].value == "release/<b>1</b>"
    assert rows["Branch"]["Value"].links[0].startswith("runs?branch=release%2F%3Cb%3E1%3C%2Fb%3E&repo=acme%2Fweb")
    assert (rows["Branch"]["Runs with this cause"].text, rows["Branch"]["Other runs"].text) == ("88.9% 8 of 9", "0.0%")
    head = next(block for block in html(page) if "ph-cause-runs" in block)
    assert f"run?run_id={60_008}" in head.partition("Last run")[0]
    assert f"run?run_id={RERUN}" in head.partition("Last run")[2]
    assert "<b>1</b>" not in "".join(html(page))
    (chart,) = [json.loads(item.proto.spec) for item in charts(page)]
    assert sum(value or 0 for trace in chart["data"] for value in trace["y"]) == 9
    assert re.fullmatch(r"failures\?cause=[0-9a-f]{24}", chart["layout"]["meta"]["address"])


def test_a_link_to_some_of_the_repositories_names_their_number(seeded: Seeded) -> None:
    with session_scope(seeded.engine) as session:
        window = Window(seeded.now - timedelta(days=30), seeded.now)
        stored = cause_runs(session, "f", Scope(), window, seeded.now)
    assert stored is not None
    item = Distinction(Feature.BRANCH, ("main",), 5, 6, 0.1, 10, 0.01)
    for number, is_named in ((3, False), (9, True)):
        repos = [f"acme/{index}" for index in range(number)]
        (row,) = distinction_rows([item], replace(stored, cause=replace(stored.cause, repos=repos)), ())
        assert ("runs of the first 3 of 9 repositories" in row[1].html) is is_named


def test_the_differing_part_of_a_line_has_a_word_of_context() -> None:
    assert differing_part("a b c", "a b c") == ""
    assert differing_part("x in job 12 on linux", "x in job 7 on linux") == "… job 12 …"
    assert differing_part("one", "two") == "one"
    assert differing_part("a b", "a b c") == "… b"
    assert differing_part("e: /home/x/Pay.kt:87:1 Bad x", "e: /home/x/Pay.kt:7:1 Bad x") == "… Pay.kt:87:1 …"
    assert differing_part("e: /home/x/Pay.kt:8 Bad a", "e: /home/x/Pay.kt:7 Bad b") == "… Pay.kt:8 Bad a"
