"""What the documentation says of the settings is true."""

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from api.settings import ApiSettings
from collector.settings import CollectorSettings
from core import VERSION
from db.__main__ import Settings as DatabaseSettings
from launch import AppSettings

ROOT = Path(__file__).parents[1]
SETTINGS = {
    name.upper()
    for model in (CollectorSettings, ApiSettings, AppSettings, DatabaseSettings)
    for name in model.model_fields
}
# Not offered: set by make run alone.
UNDOCUMENTED = {"DEMO"}


def _packages() -> list[str]:
    return sorted(file.parent.name for file in ROOT.glob("*/__init__.py"))


def _documented_settings() -> dict[str, str]:
    """Names in the first column of the reference table of docs/configuration.md → the row."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[A-Z].*?) \|(.*)$", text.split("\n## Reference\n")[1].split("\n## ")[0], re.MULTILINE)
    return {name: row for names, row in rows for name in re.findall(r"`([A-Z_]+)`", names)}


def test_every_setting_has_a_row_in_the_reference_with_default_processes_and_description() -> None:
    rows = _documented_settings()
    # The alias under which DEMO is set.
    assert set(rows) - SETTINGS - {"PIPELINE_HEALTH_DEMO", "NODE_ENV"} == set()
    assert SETTINGS - UNDOCUMENTED - set(rows) == set()
    assert {name for name, row in rows.items() if [cell for cell in row.split(" | ") if not cell.strip(" |")]} == set()
    assert {name for name, row in rows.items() if row.count(" | ") != 2} == set()


@pytest.mark.parametrize("file", ["docs/configuration.md", ".env.example"])
def test_every_setting_is_documented(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert {name for name in SETTINGS - UNDOCUMENTED if not re.search(rf"\b{name}\b", text)} == set()


def test_the_readme_names_no_setting_that_does_not_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {name.removesuffix("_FILE") for name in re.findall(r"`([A-Z]+_[A-Z_]+)`", text)}
    assert named - SETTINGS - {"NAME", "POSTGRES_PASSWORD"} == set()
    assert {"GITHUB_REPOS", "GITHUB_TOKEN", "DATABASE_URL", "ALERT_THRESHOLD", "API_KEYS"} <= named


def test_the_compose_file_names_no_setting_that_does_not_exist() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert used - {"POSTGRES_PASSWORD", "POSTGRES_IMAGE", "REDIS_IMAGE"} - SETTINGS == set()


_PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md")})
_SOURCES = sorted(
    {file for folder in (*_packages(), "deploy", "tests", "bench", ".github") for file in (ROOT / folder).rglob("*")
     if file.suffix in {".py", ".yml", ".yaml", ".json", ".toml", ".md", ".js"}}
    | {ROOT / name for name in (".env.example", "docker-compose.yml", "requirements.txt", "Makefile", "launch.py")}
)  # fmt: skip


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = set()
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.add(link)
    assert broken == set()


def test_every_page_that_sources_and_messages_name_exists() -> None:
    named = {
        (match[0], str(source.relative_to(ROOT)))
        for source in _SOURCES
        for match in re.finditer(r"\bdocs/[a-z/0-9-]+\.md\b", source.read_text(encoding="utf-8"))
    }
    assert {(page, source) for page, source in named if not (ROOT / page).is_file()} == set()


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"]({page})" not in index} == set()


def test_every_dependency_is_pinned_and_explained() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            assert version, line
            assert name in architecture, name


def test_every_javascript_tool_is_pinned_explained_and_permissive() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    project = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert "dependencies" not in project
    for name, version in project["devDependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert name in architecture, name
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert packages.pop("")["devDependencies"] == project["devDependencies"], "run `npm install`"
    allowed = set(tomllib.loads((ROOT / "deploy" / "supply" / "licences.toml").read_text(encoding="utf-8"))["allowed"])
    # Permissive, too; no package of Python that is shipped has them.
    allowed |= {"BlueOak-1.0.0", "ISC"}
    for name, package in packages.items():
        assert package["dev"], name
        assert package["integrity"].startswith("sha512-"), name
        assert package["license"] in allowed, name


def _pins(file: str) -> dict[str, set[str]]:
    """Name → lines `name==version ; marker`, with the hashes that follow each."""
    found: dict[str, set[str]] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", (ROOT / file).read_text(encoding="utf-8")):
        if name := re.match(r"([a-z0-9._-]+)==", entry):
            assert entry.count("--hash=sha256:") >= 1, entry
            found.setdefault(name[1], set()).add(re.sub(r"\s*;[^\\]*", " ", entry.strip()))
    return found


def _requirements(file: str = "requirements.txt") -> dict[str, str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "requirements-audit"])
def test_the_lock_has_every_pin_of_the_requirements(name: str) -> None:
    lock = _pins(f"{name}.lock")
    wrong = {name for name, version in _requirements(f"{name}.txt").items()
             if not any(entry.startswith(f"{name}=={version} ") for entry in lock.get(name, ()))}  # fmt: skip
    assert wrong == set(), "run `make lock`"


def test_the_tests_run_on_what_is_shipped() -> None:
    lock, tested = _pins("requirements.lock"), _pins("requirements-dev.lock")
    assert {name for name, entries in lock.items() if tested.get(name) != entries} == set(), "run `make lock`"


def test_what_the_images_install_is_what_the_lock_says() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    # Of make run alone.
    assert set(groups["collector"]) | set(groups["app"]) | {"honcho"} == set(_requirements())
    lock = _pins("requirements.lock")
    for image in ("collector", "app"):
        pins = _pins(f"deploy/image/{image}.lock")
        assert set(groups[image]) - set(pins) == set(), "run `make lock`"
        assert {name for name, entries in pins.items() if not entries <= lock[name]} == set(), "run `make lock`"


@pytest.mark.parametrize("image", ["collector", "app"])
def test_an_image_installs_what_its_programs_import(image: str) -> None:
    """Follows the imports of what ready.py loads: the dashboard's image has all of `health` and `core`, but not the
    packages with which only the collector sends messages."""
    dockerfile = (ROOT / f"Dockerfile.{image}").read_text(encoding="utf-8")
    copied = set(re.findall(r"^COPY (\w+)/ \1/$", dockerfile, re.M))
    loaded = re.search(r"^RUN /venv/bin/python /build/ready\.py ([^&\\\n]*)", dockerfile, re.M)
    assert loaded
    programs = [name for name in loaded[1].split() if name.partition(".")[0] in copied]
    modules = _with_imports(programs, copied)
    assert {name.partition(".")[0] for name in modules} >= copied >= {"core", "db", "health"}
    names = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - copied
    installed = packages_distributions()
    needed = {re.sub(r"[-_.]+", "-", installed[name][0]).lower() for name in names}
    assert needed - set(_pins(f"deploy/image/{image}.lock")) == set()


def _with_imports(programs: Iterable[str], packages: set[str]) -> set[str]:
    """All modules of these programs and what they import, directly or not; of other packages only the names."""
    queue = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for program in programs
        for file in _module_files(program)
    ]
    modules: set[str] = set()
    while queue:
        name = queue.pop()
        file = _module_file(name)
        if name in modules or (name.partition(".")[0] in packages and file is None):
            continue
        modules.add(name)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if file else ():
            if isinstance(node, ast.Import):
                queue += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                queue += [node.module, *(name for name in inner if _module_file(name))]
    return modules


def _module_files(name: str) -> list[Path]:
    path = ROOT.joinpath(*name.split("."))
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def _module_file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


_WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("file", _WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_has_pinned_actions_and_reads_only(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert [
        step["uses"] for step in steps if not re.fullmatch(r"[\w./-]+@v\d+\.\d+\.\d+", step.get("uses", "a@v1.1.1"))
    ] == []
    commands = {step["run"] for step in steps if "run" in step}
    assert commands
    assert [command for command in commands if not (ROOT / command).is_file()] == []


def test_ci_runs_every_python_that_is_supported() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    versions = workflow["jobs"]["checks"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13"]
    assert oldest == f">={versions[0]}"


@pytest.mark.parametrize("file", ["Dockerfile.collector", "Dockerfile.app"])
def test_the_images_say_this_version(file: str) -> None:
    assert f"ARG VERSION={VERSION}\n" in (ROOT / file).read_text(encoding="utf-8")
