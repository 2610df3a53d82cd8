"""CODEOWNERS files: GitHub's documented examples line by line, the rules of patterns, invalid lines, and growth."""

import random
from functools import cache

import pytest

from bench.codeowners import Monorepo
from health.teams.codeowners import Codeowners, parse
from tests.growth import SUBQUADRATIC, growth

# docs.github.com, "About code owners": its lines with the comments left out.
DOCUMENTED = """\
# This is a comment.
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/* docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octocat
/apps/ @octocat
/apps/github
/apps/ @octocat
/apps/github @doctocat
"""


def owners_by_lines(*numbers: int) -> Codeowners:
    """Of a file with only these lines of the example, counted from 1."""
    lines = DOCUMENTED.splitlines()
    codeowners = parse("\n".join(lines[number - 1] for number in numbers))
    assert not codeowners.problems
    return codeowners


@pytest.mark.parametrize(
    ("lines", "path", "owners"),
    [
        # "the default owners for everything in the repo"
        ((1, 2), "README.md", ("@global-owner1", "@global-owner2")),
        ((1, 2), "deep/in/the/repo.py", ("@global-owner1", "@global-owner2")),
        # Of a pull request that only modifies JS files: "only @js-owner and not the global owner(s)"
        ((2, 3), "app.js", ("@js-owner",)),
        ((2, 3), "src/web/app.js", ("@js-owner",)),
        ((2, 3), "app.jsx", ("@global-owner1", "@global-owner2")),
        # "You can also use email addresses"
        ((4,), "cmd/main.go", ("docs@example.com",)),
        # "the octocats team in the octo-org organization owns all .txt files"
        ((5,), "notes/a.txt", ("@octo-org/octocats",)),
        # "any files in the build/logs directory at the root of the repository and any of its subdirectories"
        ((6,), "build/logs/today.log", ("@doctocat",)),
        ((6,), "build/logs/2026/12/01.log", ("@doctocat",)),
        ((6,), "src/build/logs/today.log", None),
        ((6,), "build/log", None),
        # Files in docs "but not further nested files"; the documented names end in .md.
        ((7,), "docs/getting-started.html", ("docs@example.com",)),
        ((7,), "docs/build-app/troubleshooting.html", None),
        ((7,), "src/docs/getting-started.html", None),
        # "any file in an apps directory anywhere in your repository"
        ((8,), "apps/a.py", ("@octocat",)),
        ((8,), "src/apps/deep/a.py", ("@octocat",)),
        ((8,), "src/apps", None),
        ((8,), "src/myapps/a.py", None),
        # "any file in the /docs directory in the root of your repository and any of its subdirectories"
        ((9,), "docs/a.html", ("@doctocat",)),
        ((9,), "docs/deep/a.html", ("@doctocat",)),
        ((9,), "src/docs/a.html", None),
        # "any change inside the /scripts directory will require approval from @doctocat or @octocat"
        ((10,), "scripts/release.sh", ("@doctocat", "@octocat")),
        # "any file in a /logs directory such as /build/logs, /scripts/logs, and /deeply/nested/logs"
        ((11,), "build/logs/a", ("@octocat",)),
        ((11,), "scripts/logs/a", ("@octocat",)),
        ((11,), "deeply/nested/logs/a", ("@octocat",)),
        ((11,), "logs/a", ("@octocat",)),
        ((11,), "blogs/a", None),
        # "any file in the /apps directory … except for the /apps/github subdirectory, as its owners are left empty"
        ((12, 13), "apps/a.py", ("@octocat",)),
        ((12, 13), "apps/github/a.py", ()),
        ((12, 13), "apps/github", ()),
        ((12, 13), "apps/github-mirror/a.py", ("@octocat",)),
        # "… as this subdirectory has its own owner @doctocat"
        ((14, 15), "apps/a.py", ("@octocat",)),
        ((14, 15), "apps/github/a.py", ("@doctocat",)),
    ],
)
def test_the_documented_examples(lines: tuple[int, ...], path: str, owners: tuple[str, ...] | None) -> None:
    assert owners_by_lines(*lines).owners_of(path) == owners


@pytest.mark.parametrize(
    ("path", "owners", "line"),
    [
        ("README.md", ("@global-owner1", "@global-owner2"), 2),
        ("src/app.js", ("@js-owner",), 3),
        ("build/logs/a.txt", ("@octocat",), 11),
        ("docs/getting-started.html", ("@doctocat",), 9),
        ("other/docs/a.txt", ("@octo-org/octocats",), 5),
        ("scripts/logs/a.sh", ("@octocat",), 11),
        ("scripts/a.js", ("@doctocat", "@octocat"), 10),
        ("apps/github/main.go", ("@doctocat",), 15),
    ],
)
def test_of_the_whole_example_the_last_match_applies(path: str, owners: tuple[str, ...], line: int) -> None:
    codeowners = parse(DOCUMENTED)
    rule = codeowners.rule_of(path)
    assert rule is not None
    assert (rule.owners, rule.line) == (owners, line)
    assert codeowners.owners_of(f"/{path}") == owners


@pytest.mark.parametrize(
    ("pattern", "matched", "unmatched"),
    [
        ("*", "a a/b a/b/c", ""),
        ("**", "a a/b", ""),
        ("/", "", "a a/b"),
        ("/*", "a b.js", "a/b"),
        ("/*/", "a/b a/b/c", "a"),
        ("*/", "a/b a/b/c", "a"),
        ("/**", "a a/b", ""),
        ("name", "name name/a a/name a/name/b", "names a/rename name.txt"),
        ("/name", "name name/a", "a/name"),
        ("name/sub", "name/sub name/sub/a", "a/name/sub name/subs"),
        ("name/sub/", "name/sub/a", "name/sub a/name/sub/b"),
        ("a/**", "a/b a/b/c", "a b/a/c"),
        ("a/**/z", "a/z a/b/z a/b/c/z a/b/z/file", "z b/a/z a/b"),
        ("**/a/b", "a/b x/a/b x/y/a/b/c", "a/x/b"),
        ("**/a/**/b", "a/b x/a/y/b x/a/y/z/b/c", "b/a"),
        ("a/*/c", "a/b/c a/b/c/d", "a/c a/b/b/c"),
        ("a/*.js", "a/b.js", "a/b/c.js a/b.jsx"),
        ("a*z", "az abz x/abz abz/file", "abzy xaz"),
        ("a*b*c", "abc axbxc", "acb ab"),
        ("*a*", "a bar x/bar", "b x/b"),
        ("?.js", "a.js x/b.js", "ab.js .js"),
        ("a?c*", "abc abcd", "ac"),
        (r"a\*b", "a*b", "axb"),
        (r"a\?b", "a?b", "axb"),
        (r"My\ Files/*", "My|Files/a", "My|Files/a/b"),
        ("Case/", "Case/a", "case/a CASE/a"),
        ("a**b", "ab axb", "a/b"),
        ("straße/", "straße/a", "strasse/a"),
    ],
)
def test_patterns(pattern: str, matched: str, unmatched: str) -> None:
    codeowners = parse(f"{pattern} @owner")
    paths = [path.replace("|", " ") for path in f"{matched} {unmatched}".split()]
    owned = [path for path in paths if codeowners.owners_of(path)]
    assert owned == [path.replace("|", " ") for path in matched.split()]


def test_lines_that_github_skips_are_reported_with_their_number() -> None:
    codeowners = parse(
        "\ufeff# comment\r\n"
        "* @acme/everybody # inline\r\n"
        "\r\n"
        "  \t# indented comment\n"
        "!important @a\n"
        "/src/[a-z]*.py @a\n"
        "[Section] @a\n"
        "\\#file @a\n"
        "/docs/ @acme/docs alice\n"
        "/a/***/b @a\n"
        "/tab\t@acme/tab\tann@example.com\n"
        "/src/ @acme/team/sub\n"
        "/end\\ \n"
        "a#b @a\n"
        "/mail @acme/a mail@host\n"
    )
    assert [problem.line for problem in codeowners.problems] == [5, 6, 7, 8, 9, 10, 12, 13, 14, 15]
    assert str(codeowners.problems[0]) == "line 5: patterns cannot be negated with !"
    assert "'alice' is not a user, a team or an e-mail address" in str(codeowners.problems[4])
    # The lines before still apply to their paths.
    assert codeowners.owners_of("docs/a.html") == codeowners.owners_of("src/b.py") == ("@acme/everybody",)
    assert codeowners.owners_of("tab") == ("@acme/tab", "ann@example.com")


def test_a_file_without_rules_matches_nothing() -> None:
    for text in ("", "\n\n", "# only a comment", "![x] @a"):
        assert parse(text).owners_of("README.md") is None


def test_the_number_of_reported_problems_is_limited() -> None:
    codeowners = parse("!x @a\n" * 1_000 + "* @a")
    assert len(codeowners.problems) == 100
    assert codeowners.owners_of("a") == ("@a",)


def reference_match(pattern: str, path: str) -> bool:
    """The same rules by definition, for patterns of letters and wildcards: slow and without an index."""
    segments = pattern.removeprefix("/").split("/")
    if not pattern.startswith("/") and pattern.count("/") - pattern.endswith("/") == 0:
        segments.insert(0, "**")
    if pattern.endswith("/"):
        segments[-1] = "**"
    names = path.split("/")

    @cache
    def segment(p: str, s: str) -> bool:
        if not p:
            return not s
        if p[0] == "*":
            return segment(p[1:], s) or (bool(s) and segment(p, s[1:]))
        return bool(s) and p[0] in ("?", s[0]) and segment(p[1:], s[1:])

    @cache
    def rest(at: int, depth: int) -> bool:
        if at == len(segments):
            # The path itself, or what is in it: not below a last `*` of a pattern with several segments.
            return depth == len(names) or segments[-1] not in ("*", "**")
        if segments[at] == "**":
            if at == len(segments) - 1:
                return depth < len(names)
            return rest(at + 1, depth) or (depth < len(names) and rest(at, depth + 1))
        return depth < len(names) and segment(segments[at], names[depth]) and rest(at + 1, depth + 1)

    return rest(0, 0)


def test_the_index_agrees_with_the_definition() -> None:
    dice = random.Random(20)
    parts = ["a", "b", "ab", "*", "**", "a*", "*b", "?", "a*b", "*a*", "**"]
    for _ in range(400):
        patterns = []
        for _ in range(dice.randrange(1, 9)):
            body = "/".join(dice.choice(parts) for _ in range(dice.randrange(1, 5)))
            patterns.append(f"{dice.choice(('', '/'))}{body}{dice.choice(('', '', '/'))}")
        codeowners = parse("\n".join(f"{pattern} @owner{at}" for at, pattern in enumerate(patterns)))
        assert not codeowners.problems
        for _ in range(30):
            path = "/".join(dice.choice(("a", "b", "ab", "aab", "c")) for _ in range(dice.randrange(1, 6)))
            matching = [at for at, pattern in enumerate(patterns) if reference_match(pattern, path)]
            expected = (f"@owner{matching[-1]}",) if matching else None
            assert codeowners.owners_of(path) == expected, (patterns, path)


def test_the_work_does_not_grow_with_lines_times_paths() -> None:
    """Four times the lines and the paths: sixteen times the work if every line was compared with every path."""

    def monorepo(size: int) -> tuple[str, list[str]]:
        repository = Monorepo(size)
        return repository.text, [repository.path() for _ in range(4 * size)]

    def owners(made: tuple[str, list[str]]) -> None:
        codeowners = parse(made[0])
        for path in made[1]:
            codeowners.owners_of(path)

    assert growth(owners, monorepo, 500) < SUBQUADRATIC


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("**/a/" * 300, "a/" * 600 + "b"),
        ("/" + "a/" * 3_000, "a/" * 3_000 + "b"),
        ("a*" * 5_000 + "b", "a" * 20_000),
        ("?*" * 2_000 + "b", "a" * 5_000),
    ],
)
def test_hostile_patterns_take_little_work(line: str, path: str) -> None:
    """Backtracking would never return here."""
    assert len(parse(f"{line} @a").rules) == 1
    parse(f"{line} @a").owners_of(path)
