"""Recognisers of Python's tools: pytest, unittest, linters, type checkers, package managers. Pure: data."""

from health.insights.causes.model import CauseClass, Heading, Rank, Rule, heading, rule

_TEST, _LINT, _DEPENDENCY = CauseClass.TEST, CauseClass.LINT, CauseClass.DEPENDENCY
_COMPILE, _UNKNOWN = CauseClass.COMPILE, CauseClass.UNKNOWN

RULES: tuple[Rule, ...] = (
    # pytest's summary, with plug-ins that print a duration before the name
    rule("pytest", _TEST, Rank.TEST,
        r"^(?:FAILED|ERROR) (?:\[[\d.]+s\] )?(?P<test>[^\s:]+::\S+(?: ?\[[^\]]*\])?)(?: - (?P<message>.+))?", "::"),
    rule("pytest", _TEST, Rank.TEST,
        r"^(?:FAILED|ERROR) (?P<file>[\w./\\-]+\.(?:py|ipynb|rst|md|yaml|yml|txt))(?: - (?P<message>.+))?", "FAILED ",
        "ERROR "),
    rule("pytest", _TEST, Rank.LISTED, r"^_{3,} ERROR (?:collecting|at \w+ of) (?P<test>\S.*?)_{0,99}$", "ERROR "),
    rule("pytest", _TEST, Rank.LISTED, r"^_{3,} (?!summary)(?P<test>[\w.]*[Tt]est\S*(?: ?\[[^\]]*\])?|\S+) _{3,}$",
        "___"),
    rule("pytest", _TEST, Rank.LISTED, r"^(?P<test>[^\s:]++::\S++) (?:FAILED|ERROR)\b", "::"),
    rule("pytest", _TEST, Rank.EXCEPTION, r"^E\s{2,80}(?P<message>\S.*)", "E  "),
    rule("pytest", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^ERROR: (?:usage|file or directory not found|not found|found no collectors)\b", "ERROR: "),
    rule("pytest", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^(?:\w+: )?error: (?:unrecognized|argument|the following arguments)", "error: "),
    rule("pytest-cov", _TEST, Rank.TOOL,
        r"^(?:ERROR: |FAIL )?(?:Coverage failure: total of|Required test coverage of \S+ not reached)", "overage"),
    # unittest, nose, Django, trial
    rule("unittest", _TEST, Rank.TEST, r"^(?:FAIL|ERROR): (?P<test>[^\s:]\S* \([\w.\[\]<>-]+\).*)", "FAIL: ",
        "ERROR: "),
    rule("unittest", _TEST, Rank.TEST, r"^(?:FAIL|ERROR): (?P<test>[A-Za-z_]\w*(?:\.\w+)+(?:\(.*|\s.*)?)$", "FAIL: ",
        "ERROR: "),
    rule("unittest", _TEST, Rank.TEST, r"^(?:FAIL|ERROR): (?P<test>test\w*|setUp\w*|Doctest: \S+|Failure: \w+ \(.*)",
        "FAIL: ", "ERROR: "),
    rule("unittest", _TEST, Rank.LISTED, r"^(?P<test>test\w* \([\w.]+\)).* \.\.\. (?:FAIL|ERROR)$", " ... "),
    rule("doctest", _TEST, Rank.TEST, r"^File \"(?P<file>[^\"]+)\", line \d+, in (?P<test>[\w.]+)$", ", in ",
        requires=r"^Failed example:"),
    rule("behave", _TEST, Rank.TEST, r"^\s{0,40}(?P<test>features/\S+\.feature:\d+\s.*)", ".feature:",
        requires=r"^Failing scenarios:"),
    rule("robot", _TEST, Rank.TEST, r"^(?P<test>\S.*?)\s{0,80}\| FAIL \|$", "| FAIL |"),
    # linters and type checkers
    rule("black", _LINT, Rank.SOURCE, r"^would reformat (?P<file>\S+)", "would reformat"),
    rule("ruff", _LINT, Rank.SOURCE, r"^Would reformat: (?P<file>\S+)", "Would reformat"),
    rule("black", _LINT, Rank.SOURCE, r"^error: cannot format (?P<file>[^\s:]+): ", "cannot format"),
    rule("isort", _LINT, Rank.SOURCE, r"^ERROR: (?P<file>\S+) Imports are incorrectly sorted", "incorrectly sorted"),
    rule("mypy", _LINT, Rank.SOURCE,
        r"^(?P<file>[^\s:]+\.pyi?):\d+(?::\d+)?: error: (?P<message>.+?)(?:\s{2}\[(?P<code>[\w-]+)\])?$",
        ": error: "),
    rule("pyright", _LINT, Rank.SOURCE, r"^\s{0,40}(?P<file>[^\s:]+\.pyi?):\d+:\d+ - error: (?P<message>.+)",
        " - error: "),
    rule("flake8", _LINT, Rank.SOURCE,
        r"^(?P<file>[^\s:]+\.(?:pyi?|ipynb)):(?:\d+:){1,2} ?(?P<code>[A-Z]{1,5}\d{2,5})\b:? ?(?P<message>.*)", ":"),
    rule("flake8", _LINT, Rank.SOURCE,
        r"^(?P<file>[^\s:]+):(?:\d+:){1,2} (?P<code>[A-Z]{1,4}\d{3,5})\b:? (?P<message>.*)", ":"),
    rule("pylint", _LINT, Rank.SOURCE, r"^(?P<file>[^\s:]+\.py):\d+: \[(?P<code>[CRWEF]\d{4})(?:\([\w-]+\))?,",
        ": ["),
    rule("ruff", _LINT, Rank.SOURCE, r"^(?P<code>[A-Z]{1,5}\d{3,4}) (?:\[\*\] )?(?P<message>\S.*)",
        requires=r"^\s{1,8}--> \S+:\d+:\d+$|^\[\*\] \d+ fixable|\bruff check\b"),
    rule("ruff", _LINT, Rank.SOURCE, r"^(?P<code>invalid-syntax): (?P<message>\S.*)", "invalid-syntax"),
    rule("docutils", _LINT, Rank.SOURCE,
        r"^(?P<file>[^\s:]+\.(?:rst|md|py|txt))(?::docstring of [\w.]+)?(?::\d+)?: (?:WARNING|ERROR|SEVERE|"
        r"CRITICAL): (?P<message>.+)", ": WARNING", ": ERROR", ": SEVERE", ": CRITICAL",
        requires=r"(?i)sphinx|warnings? (?:are )?treated as errors|docutils|: (?:ERROR|SEVERE|CRITICAL): "),
    rule("bandit", _LINT, Rank.SOURCE, r"^>> Issue: \[(?P<code>B\d{3}):", ">> Issue"),
    rule("pydocstyle", _LINT, Rank.POSITION, r"^(?P<file>[^\s:]+\.py):\d+ (?:at|in) ", ".py:"),
    # package managers and environments
    rule("pip", _DEPENDENCY, Rank.TOOL,
        r"^\s{0,40}ERROR: (?:Could not find a version that satisfies the requirement|"
        r"No matching distribution found for) (?P<package>[\w.-]+)", "ERROR: "),
    rule("pip", _DEPENDENCY, Rank.TOOL,
        r"^\s{0,40}ERROR: (?:Could not open requirements file|Cannot install|Cannot uninstall|ResolutionImpossible|"
        r"Package '|Ignored the following|Invalid requirement|THESE PACKAGES DO NOT MATCH|Hash|In --require-hashes|"
        r"Could not build wheels|Could not install packages|Directory '|File \")", "ERROR: "),
    rule("uv", _DEPENDENCY, Rank.TOOL,
        r"^\s{0,40}(?:×|x) (?:No solution found|Failed to (?:build `|download|fetch|resolve)|Because|"
        r"Requirements contain|Distribution)", "×", "x "),
    rule("uv", _DEPENDENCY, Rank.TOOL,
        r"^error: (?:Failed to (?:fetch|build|download|prepare|install)|The lockfile|No interpreter|Request failed|"
        r"Could not connect)", "error: "),
    rule("poetry", _DEPENDENCY, Rank.TOOL,
        r"^(?:pyproject\.toml changed significantly|Because .{1,300} depends on|SolverProblemError|"
        r"Unable to find installation candidates)", "pyproject", "Because ", "Solver", "Unable"),
    rule("conda", _DEPENDENCY, Rank.TOOL,
        r"^(?:ResolvePackageNotFound|UnsatisfiableError|PackagesNotFoundError|LibMambaUnsatisfiableError|"
        r"CondaHTTPError|critical libmamba)", "NotFound", "Unsat", "Conda", "libmamba"),
    rule("tox", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^ERROR: (?:InterpreterNotFound|unknown environment|tox config file)", "ERROR: "),
    rule("tox", CauseClass.CONFIGURATION, Rank.TOOL, r"^[\w.-]+: failed with (?P<message>.+)", ": failed with "),
    # the interpreter
    rule("python", CauseClass.RESOURCES, Rank.TEST, r"^(?:.{1,300} )?Fatal Python error: (?P<code>[\w ]+)",
        "Fatal Python error"),
    rule("python", _DEPENDENCY, Rank.EXCEPTION,
        r"^(?:\w{1,80}\.){0,12}(?P<code>ModuleNotFoundError): (?P<message>No module named .+)", "No module named"),
    rule("python", _UNKNOWN, Rank.EXCEPTION,
        r"^(?:\w{1,80}\.){0,12}(?P<code>ModuleNotFoundError|ImportError): (?P<message>.+)", "Error: "),
    rule("python", _COMPILE, Rank.EXCEPTION,
        r"^\s{0,40}(?P<code>SyntaxError|IndentationError|TabError): (?P<message>.+)", "Error: "),
)  # fmt: skip

HEADINGS: tuple[Heading, ...] = (
    heading("pytest", _TEST, Rank.LISTED, r"^=+ short test summary info =+$", r"^(?:FAILED|ERROR) (?P<test>\S.*)"),
    heading("unittest", _TEST, Rank.LISTED, r"^={60,}$", r"^(?:FAIL|ERROR): (?P<test>\S.*)"),
    heading("black", _LINT, Rank.LISTED, r"^Oh no! ", r"^\d+ files? would be reformatted"),
)  # fmt: skip
