"""What a job costs, by whose runner it was, and the file that says what others cost."""

from pathlib import Path

import pytest

from db.definitions.prices import EMPTY_PRICE_LIST, Origin, PriceList, Pricing, Runner, bill, is_free, origin_of
from db.jobs.price_list import read_price_list

GITHUB = "GitHub Actions"


def hosted(*labels: str, name: str = "GitHub Actions 37") -> Runner:
    return Runner(labels, name, GITHUB)


@pytest.mark.parametrize(
    ("labels", "price"),
    [
        (("ubuntu-latest",), 0.006), (("Ubuntu-22.04",), 0.006), (("ubuntu-26.04",), 0.006), (("ubuntu-slim",), 0.002),
        (("ubuntu-24.04-arm",), 0.005), (("windows-latest",), 0.010), (("windows-2025-vs2026",), 0.010),
        (("windows-11-arm",), 0.008), (("macos-latest",), 0.062), (("macos-26",), 0.062), (("macos-15-intel",), 0.062),
        (("macos-latest-large",), 0.077), (("macos-26-xlarge",), 0.102), (("ubuntu-latest-4-cores",), 0.012),
        # A label that nobody knows is no reason for a price.
        (("ubuntu-next",), None), (("linux",), None), ((), None),
    ],
)  # fmt: skip
def test_githubs_runners_cost_by_their_labels(labels: tuple[str, ...], price: float | None) -> None:
    found = bill(119, hosted(*labels), private=True)
    if price is None:
        assert found == (0.0, 2, 2)
    else:
        assert (found.usd, found.minutes, found.unpriced_minutes) == (pytest.approx(2 * price), 2, 0)


@pytest.mark.parametrize(
    ("label", "price"),
    [
        ("build-16-cores", 0.042), ("ubuntu-22.04-64core", 0.162), ("pool_4_cpu", 0.012), ("arm64-8-core", 0.014),
        ("windows-latest-8-cores", 0.042), ("win-arm-4-cores", 0.014), ("gpu-4-core-linux", 0.052),
        ("windows-gpu-4-cores", 0.102), ("farm-32-cores", 0.082),
        ("big-machine", None), ("linux-10-cores", None), ("gpu-box", None), ("gpu-8-cores", None),
        ("macos-8-cores", None),
    ],
)  # fmt: skip
def test_larger_runners_cost_by_the_size_in_their_name_and_are_never_free(label: str, price: float | None) -> None:
    found = bill(60, Runner((label,), f"{label}_0a1b2c3d4e5f", "Build farm"), private=False)
    assert (found.usd, found.unpriced_minutes) == ((0.0, 1) if price is None else (pytest.approx(price), 0))


@pytest.mark.parametrize(
    ("labels", "name", "group"),
    [
        (("ubuntu-24.04",), "build-box-9", "Default"), (("macos-14",), "mini-2", "Macs"),
        (("windows-pool",), "windows-pool-x2k4f-runner-7bq9z", "arc-runners"), (("gpu",), "box", "default"),
        ((), "box-4", "Default"), (("self-hosted", "Linux", "X64"), "anything", None),
        (("linux-8-cores",), "vm-1", "Default"),
        (("builder",), "builder_2", "Default"), (("our-pool",), "our-pool-4", None),
    ],
)  # fmt: skip
def test_runners_of_ones_own_cost_nothing_whatever_their_labels(
    labels: tuple[str, ...], name: str, group: str | None
) -> None:
    assert origin_of(Runner(labels, name, group)) is Origin.SELF_HOSTED
    for private in (True, False):
        assert bill(601, Runner(labels, name, group), private=private) == (0.0, 11, 0)


@pytest.mark.parametrize(
    "runner",
    [
        Runner(("depot-ubuntu-24.04-16",), "depot-8f", "Default"), Runner(("nscloud-ubuntu-22.04-amd64-4x16",)),
        Runner(("buildjet-8vcpu-ubuntu-2204",), "buildjet-1", "Default"), Runner(("runs-on=77/runner=4cpu-linux-x64",)),
        Runner(("runs-on", "runner=2cpu-linux-x64"), "runs-on--i-0abc--xyz", "Default"),
        Runner(("warp-macos-15-arm64-6x",), "warp-1", "Default"),
        Runner(("self-hosted", "blacksmith-2vcpu-ubuntu-2204")),
        # Said by nothing but a label that is not one of GitHub's.
        Runner(("ubuntu-22.04-16core",)), Runner(("linux-x64",)), Runner(()),
        # A documented label on a machine whose name is not GitHub's, and whose group nobody wrote down.
        Runner(("ubuntu-22.04",), "build-box-1"),
        # As likely a machine of one's own as a larger runner of GitHub.
        Runner(("builder",), "builder_2", "Builders"),
    ],
)  # fmt: skip
def test_where_no_price_is_known_the_minutes_are_counted_as_such(runner: Runner) -> None:
    for private in (True, False):
        assert bill(61, runner, private=private) == (0.0, 2, 2)


def test_standard_runners_are_free_in_public_repositories_and_for_dependabots_own_runs() -> None:
    assert bill(600, hosted("macos-15"), private=False) == (0.0, 10, 0)
    assert bill(600, hosted("ubuntu-latest"), private=True, free=True) == (0.0, 10, 0)
    # Without name and group, a documented label stands for GitHub's runner.
    assert bill(600, Runner(("windows-2022",)), private=True).usd == pytest.approx(0.1)
    assert is_free("dynamic", "dependabot[bot]")
    assert not is_free("pull_request", "dependabot[bot]")
    assert not is_free("dynamic", "alice")


def test_a_job_without_a_length_costs_nothing() -> None:
    for seconds in (None, 0.0):
        assert bill(seconds, Runner(("depot-ubuntu-latest",)), private=True) == (0.0, 0, 0)


def test_a_list_of_prices_wins_by_name_then_label_then_group() -> None:
    prices = PriceList(
        names={"lab-*": 0.5}, labels={"depot-ubuntu-*": 0.004, "Self-Hosted, linux": 0.03}, groups={"GPU farm": 0.9}
    )

    def usd(*labels: str, name: str | None = None, group: str | None = None, private: bool = True) -> float:
        found = bill(60, Runner(labels, name, group), private=private, prices=prices)
        assert found.unpriced_minutes == 0
        return found.usd

    assert usd("depot-ubuntu-24.04-4", name="LAB-7", group="GPU farm") == 0.5
    assert usd("depot-ubuntu-24.04-4", group="GPU farm", private=False) == 0.004
    assert usd("gpu", name="box", group="gpu FARM") == 0.9
    assert usd("self-hosted", "linux", name="box", group="Default") == 0.03
    assert usd("self-hosted", "windows", name="box", group="Default") == 0
    dearer = PriceList(labels={"ubuntu-latest": 0.01})
    assert bill(60, hosted("ubuntu-latest"), private=True, prices=dearer).usd == 0.01
    # GitHub still bills nothing there.
    assert bill(60, hosted("ubuntu-latest"), private=False, prices=dearer).usd == 0


def test_pricing_of_many_jobs_is_that_of_each() -> None:
    by_name = PriceList(names={"GitHub Actions 7": 1.0})
    for prices in (EMPTY_PRICE_LIST, by_name):
        pricing = Pricing(prices)
        for number in (7, 8, 7):
            name = f"GitHub Actions {number}"
            found = pricing.usd_per_minute(("ubuntu-latest",), name, GITHUB, billed=True)
            assert found == bill(60, hosted("ubuntu-latest", name=name), private=True, prices=prices).usd


def test_a_file_of_prices_is_read(tmp_path: Path) -> None:
    file = tmp_path / "prices.yml"
    file.write_text('labels:\n  depot-*: 0.004\n  42: 1\ngroups:\n  "GPU farm": 0.9\nnames:\n', encoding="utf-8")
    assert read_price_list(str(file)) == PriceList(labels={"depot-*": 0.004, "42": 1.0}, groups={"GPU farm": 0.9})
    file.write_text("# nothing yet\n", encoding="utf-8")
    assert read_price_list(str(file)) == EMPTY_PRICE_LIST


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("labels: [1, 2]", "labels is not a mapping"), ("- a", "the file is not a mapping"),
        ("label:\n  x: 1", "unknown section 'label'; expected labels or groups or names"),
        ("labels:\n  x: cheap",
         "labels: 'x': invalid price 'cheap'; expected US dollars per minute, a number from 0 to "),
        ("labels:\n  x: -0.1", "invalid price '-0.1'"), ("labels:\n  x: .nan", "invalid price 'nan'"),
        ("labels:\n  x: true", "invalid price 'True'"), ("groups:\n  '': 1", "groups: empty name"),
        ("labels:\n  x: [", "is not YAML at line 2"), ("labels:\n\tx: 1", "is not YAML at line 2"),
        ("a: !!python/object:os.system {}", "is not YAML"),
    ],
)  # fmt: skip
def test_an_unusable_file_is_told_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "prices.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"prices\.yml") as raised:
        read_price_list(str(file))
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_or_foreign_file_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*No such file"):
        read_price_list(str(tmp_path / "none.yml"))
    (tmp_path / "x.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_price_list(str(tmp_path / "x.yml"))
