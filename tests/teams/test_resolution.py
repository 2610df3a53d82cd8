"""What teams own: patterns, CODEOWNERS, and the cost of many teams."""

from collections.abc import Mapping

from health.teams.definition import Team
from health.teams.resolution import OwnedRepository, Ownership, RepositoryNames, WorkflowFile, resolve
from tests.growth import SUBQUADRATIC, growth

CI = WorkflowFile(5, "CI", ".github/workflows/ci.yml")
PAYMENTS = WorkflowFile(6, "Payments deploy", ".github/workflows/payments.yml")
DYNAMIC = WorkflowFile(7, "Dependabot Updates", "dynamic/dependabot/dependabot-updates")


class Codeowners:
    """The owners of exact paths; `*` for all others."""

    def __init__(self, owners: Mapping[str, tuple[str, ...]]) -> None:
        self._owners = owners

    def owners_of(self, path: str) -> tuple[str, ...] | None:
        return self._owners.get(path, self._owners.get("*"))


def test_patterns_select_repositories_without_regard_to_case() -> None:
    repositories = [
        OwnedRepository(1, "acme/payments-api"),
        OwnedRepository(2, "Acme/Ledger"),
        OwnedRepository(3, "other/payments-api"),
        OwnedRepository(4, "acme/pay"),
    ]
    team = Team("Payments", repositories=("ACME/payments-*", "acme/ledger"))
    assert resolve([team], repositories) == {Ownership(1, "payments", 0), Ownership(2, "payments", 0)}


def test_wildcards_at_any_place_are_compared_with_the_whole_name() -> None:
    names = RepositoryNames([("acme/web", 1), ("acme/web-app", 2), ("beta/Web", 3), ("acme/a", 4)])
    for pattern, ids in (
        ("acme/web", {1}),
        ("acme/web*", {1, 2}),
        ("*/web", {1, 3}),
        ("acme/w?b", {1}),
        ("acme/[ab]", {4}),
        ("acme/*-app", {2}),
        ("acme/web?", set()),
        ("zeta/*", set()),
    ):
        assert names.matching([pattern]) == ids, pattern


def test_patterns_select_single_workflows() -> None:
    repositories = [OwnedRepository(1, "acme/mono", (CI, PAYMENTS)), OwnedRepository(2, "acme/web", (PAYMENTS,))]
    team = Team("Payments", repositories=("acme/web",), workflows=("acme/*: payments *",))
    assert resolve([team], repositories) == {Ownership(1, "payments", 6), Ownership(2, "payments", 0)}


def test_codeowners_assign_the_repository_and_single_workflows() -> None:
    codeowners = Codeowners({"*": ("@acme/platform",), PAYMENTS.path: ("@ACME/payments", "@octocat")})
    teams = [Team("Platform", owners=("@acme/Platform",)), Team("Payments", owners=("@acme/payments",))]
    repository = OwnedRepository(1, "acme/mono", (CI, PAYMENTS, DYNAMIC), codeowners)
    assert resolve(teams, [repository]) == {Ownership(1, "platform", 0), Ownership(1, "payments", 6)}


def test_a_path_without_owner_and_a_missing_file_assign_nothing() -> None:
    team = Team("Platform", owners=("@acme/platform",))
    without = OwnedRepository(1, "acme/mono", (CI,), Codeowners({"*": ()}))
    assert resolve([team], [without, OwnedRepository(2, "acme/web", (CI,))]) == set()


def test_the_work_is_linear_in_repositories_and_in_teams() -> None:
    assert growth(lambda given: resolve(*given), lambda size: organization(20, size), 100) < SUBQUADRATIC
    assert growth(lambda given: resolve(*given), lambda size: organization(size, 100), 20) < SUBQUADRATIC


def organization(teams: int, repositories: int) -> tuple[list[Team], list[OwnedRepository]]:
    codeowners = Codeowners({"*": ("@acme/1",)})
    return (
        [
            Team(
                f"Team {number}",
                repositories=(f"acme/team{number}-*", *(f"acme/other{index}-*" for index in range(10))),
                workflows=("acme/mono-*: *",),
                owners=(f"@acme/{number}",),
            )
            for number in range(teams)
        ],
        [
            OwnedRepository(number, f"acme/team{number % teams}-service{number}", (CI, PAYMENTS), codeowners)
            for number in range(repositories)
        ],
    )
