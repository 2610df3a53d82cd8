"""Metric cards, without a database."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from app.components.cost import waste_card
from app.widgets import cells, metric_cards
from app.widgets.sparklines import wide_bar_sparkline, wide_line_sparkline
from db.definitions.scope import Window
from health.metrics.cost import WastedMinutes
from health.metrics.definitions.catalogue import FIGURES
from health.metrics.definitions.change import change
from health.metrics.definitions.failure_counts import NOT_COUNTED, FailureCounts
from health.metrics.definitions.formulas import Metrics, is_provisional
from health.metrics.service import Comparison, Point
from tests.figures import fact, figures

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


def _metrics(passed: int, failed: int = 0, running: int = 0) -> Metrics:
    outcomes = ["success"] * passed + ["failure"] * failed + ["in_progress"] * running
    return figures([fact(outcome) for outcome in outcomes])


def _drawn(monkeypatch: pytest.MonkeyPatch, now: Metrics, before: Metrics, days: float) -> dict[str, str]:
    """The text of each card by figure, and that of the line below as `rest`."""
    drawn: list[str] = []
    monkeypatch.setattr(metric_cards.st, "html", drawn.append)
    window = Window(NOW - timedelta(days=days), NOW)
    comparison = Comparison(now, before, window, window.before(), comparable=True)
    metric_cards.metric_cards(comparison, [Point(window.since, partial=False, metrics=now)], "30d", NOW)
    metric_cards.secondary_metrics(comparison, NOW)
    cards = re.findall(r'data-figure="(\w+)">(.*?)<img', drawn[0])
    found = {name: unescape(re.sub("<[^>]+>", " ", body)) for name, body in cards}
    return found | {"rest": unescape(re.sub("<[^>]+>", " ", drawn[1]))}


def test_percentiles_of_few_runs_show_the_sample_size(monkeypatch: pytest.MonkeyPatch) -> None:
    few = _drawn(monkeypatch, _metrics(7, 2), _metrics(7), 30)
    assert "of 7 runs" in few["success_duration_p50"]
    assert "of 2 runs" in few["rest"]
    many = _drawn(monkeypatch, _metrics(20, 20), _metrics(20), 30)
    assert " runs" not in many["success_duration_p50"].replace("not enough runs", "")


def test_one_run_against_another_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _drawn(monkeypatch, _metrics(0, 1), _metrics(9), 30)
    assert "not enough runs" in shown["success_rate"]
    assert "pp" not in shown["success_rate"]


def test_provisional_figures_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    day = _drawn(monkeypatch, _metrics(30, running=4), _metrics(30), 1)
    assert "4 still running" in day["runs"]
    assert re.search(r"Flaky runs\s+0\s+so far", day["rest"])
    month = _drawn(monkeypatch, _metrics(30), _metrics(30), 30)
    assert "still running" not in month["runs"]
    assert "so far" not in month["rest"]


def test_infrastructure_failures_are_beside_the_success_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = [fact("success")] * 60 + [fact("failure")] * 40
    before = figures(facts, failures=FailureCounts(0))
    shown = _drawn(monkeypatch, figures(facts, failures=FailureCounts(25, 34)), before, 30)
    assert re.search(r"60\.0%\s+80\.0%\s+without infrastructure failures", shown["success_rate"])
    assert "25 infrastructure · 6 without a cause" in shown["failures"]
    drawn: list[str] = []
    monkeypatch.setattr(metric_cards.st, "html", drawn.append)
    window = Window(NOW - timedelta(days=30), NOW)
    now = figures(facts, failures=FailureCounts(25, 34))
    comparison = Comparison(now, before, window, window.before(), comparable=True)
    metric_cards.metric_cards(comparison, [Point(window.since, partial=False, metrics=now)], "30d", NOW)
    assert (
        "Of 40 failed runs, 25 failed by infrastructure and 6 have no cause. Change: +20.0 pp (75 now, 100 " in drawn[0]
    )


def test_the_failure_rate_has_one_without_infrastructure_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = [fact("success")] * 60 + [fact("failure")] * 40
    drawn: list[str] = []
    monkeypatch.setattr(metric_cards.st, "html", drawn.append)
    window, now = Window(NOW - timedelta(days=30), NOW), figures(facts, failures=FailureCounts(25, 34))
    comparison = Comparison(now, now, window, window.before(), comparable=True)
    cards = ("failures", wide_bar_sparkline), ("failure_rate", wide_line_sparkline)
    metric_cards.metric_cards(comparison, [Point(window.since, partial=False, metrics=now)], "30d", NOW, cards)
    assert "<strong>20.0%</strong> without infrastructure failures" in drawn[0]
    # The page with these cards has one of infrastructure failures.
    assert "25 infrastructure" not in drawn[0]


@pytest.mark.parametrize(
    "failures", [FailureCounts(0, 34), FailureCounts(0, 0), NOT_COUNTED], ids=["none", "unknown", "deleted"]
)
def test_no_second_rate_is_shown_without_infrastructure_failures(
    monkeypatch: pytest.MonkeyPatch, failures: FailureCounts
) -> None:
    now = figures([fact("success")] * 60 + [fact("failure")] * 40, failures=failures)
    assert "infrastructure" not in "".join(_drawn(monkeypatch, now, now, 30).values())


def test_cost_shows_the_minutes_it_excludes(monkeypatch: pytest.MonkeyPatch) -> None:
    unpriced = figures([fact("success", cost_usd=0.0, unpriced_minutes=minutes) for minutes in (7, 5)])
    assert re.search(
        r"Cost\s+\$0.00\s+excludes 12 min without a known price", _drawn(monkeypatch, unpriced, unpriced, 30)["rest"]
    )
    assert "without a known price" not in _drawn(monkeypatch, _metrics(3), _metrics(3), 30)["rest"]


def test_a_figure_is_provisional_while_half_of_its_window_may_change() -> None:
    def window(since: timedelta, until: timedelta = timedelta()) -> Window:
        return Window(NOW - since, NOW - until)

    assert is_provisional("flaky_runs", window(timedelta(hours=48)), NOW)
    assert not is_provisional("flaky_runs", window(timedelta(hours=49)), NOW)
    assert not is_provisional("flaky_runs", window(timedelta(days=3), timedelta(days=2)), NOW)
    assert is_provisional("success_duration_p95", window(timedelta(hours=1)), NOW)
    assert not is_provisional("success_duration_p95", window(timedelta(hours=24)), NOW)
    assert not is_provisional("success_rate", window(timedelta(minutes=5)), NOW)


def test_cell_is_coloured_only_if_the_change_is_significant() -> None:
    rate = FIGURES["success_rate"]
    worse = cells.change_cell(change(rate, _metrics(160, 40), _metrics(190, 10)))
    assert "ph-red" in worse.html
    assert "200 runs now, 200 before" in worse.html
    assert "ph-dim" in cells.change_cell(change(rate, _metrics(45, 5), _metrics(48, 2))).html
    assert cells.change_cell(change(rate, _metrics(1), _metrics(90))).value is None


def test_changes_of_amounts_have_no_colour() -> None:
    for cell, text in ((cells.amount_change(5.0), ">+500.0%"), (cells.occurrences(240, 20), ">×12"),
                       (cells.occurrences(10, 20), ">−50.0%"), (cells.occurrences(1, 0), ">new"),
                       (cells.occurrences(24, 2), ' title="24 now, 2 before">+22')):  # fmt: skip
        assert cell.html == f'<span class="ph-dim"{text}</span>'
    assert cells.occurrences(3, None).value is cells.amount_change(None).value is None


def test_a_median_of_few_is_muted() -> None:
    few = _metrics(19).success_duration_seconds
    assert "ph-dim" in cells.median(few).html
    assert "only 19 runs" in cells.median(few).html
    assert "ph-dim" not in cells.median(_metrics(20).success_duration_seconds).html


def test_the_note_of_waste_names_its_reasons_and_breaks_between_them() -> None:
    wasted = WastedMinutes([], 600.0, 0.0, 120.0, 720.0, 0.0, 0.0, 7200.0, 0, [], None)
    assert waste_card(wasted, ()).note == "10.0% of compute · flaky\xa010\xa0min · superseded\xa02\xa0min"
    none = WastedMinutes([], 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7200.0, 0, [], None)
    assert waste_card(none, ()).note == "0.0% of compute"
