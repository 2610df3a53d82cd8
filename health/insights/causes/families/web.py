"""Recognisers of Ruby's, PHP's, .NET's, Elixir's and Perl's tools. Pure: data."""

from health.insights.causes.model import CauseClass, Heading, Rank, Rule, heading, rule

_TEST, _LINT, _COMPILE, _DEPENDENCY = CauseClass.TEST, CauseClass.LINT, CauseClass.COMPILE, CauseClass.DEPENDENCY

RULES: tuple[Rule, ...] = (
    # Ruby
    rule("rspec", _TEST, Rank.TEST, r"^rspec (?P<file>'?\./[^\s:'\[]+)(?:[:\[][\d:,]+\]?)?'?(?: # (?P<test>.+))?",
        "rspec "),
    rule("minitest", _TEST, Rank.TEST, r"^(?P<test>[A-Z][^\s#]*+#\S++) \[\S+:\d+\]:?$", "#"),
    rule("minitest", _TEST, Rank.LISTED, r"^(?:rails|bin/rails|rake) test (?P<file>\S+?):\d+$", " test "),
    rule("test-unit", _TEST, Rank.TEST, r"^(?:Failure|Error): (?P<test>test\S*\([\w:]+\))", "Failure: ", "Error: "),
    rule("cucumber", _TEST, Rank.TEST, r"^cucumber (?:-p \S+ )?(?P<file>\S+?):\d+(?: # (?P<test>.+))?", "cucumber "),
    rule("rubocop", _LINT, Rank.SOURCE,
        r"^(?P<file>[^\s:]+):\d+:\d+: [CWEFR]: (?:\[Corr\w+\] )?(?:(?P<code>[A-Z]\w+/[\w/]+): )?(?P<message>.+)",
        ": C: ", ": W: ", ": E: ", ": F: ", ": R: "),
    rule("standardrb", _LINT, Rank.SOURCE,
        r"^\s{0,40}(?P<file>[^\s:]+\.rb):\d+:\d+: (?P<code>[A-Z]\w+/[\w/]+): (?P<message>.+)", ".rb:"),
    rule("sorbet", _COMPILE, Rank.SOURCE,
        r"^(?P<file>[^\s:]+\.rbi?):\d+: (?P<message>.+) https://srb\.help/(?P<code>\d+)", "srb.help"),
    rule("reek", _LINT, Rank.SOURCE,
        r"^\s{0,40}(?P<file>\S+\.rb):\d+:(?:\d+:)? (?P<code>[A-Z]\w+): (?P<message>.+)|"
        r"^\s{1,40}\[[\d, ]+\]:(?P<symbol>[A-Z]\w+): ", ".rb:", "]:"),
    rule("bundler", _DEPENDENCY, Rank.TOOL,
        r"^(?:Bundler could not find compatible versions for gem|Could not find (?:gem )?'?(?P<package>[\w.-]+)|"
        r"Your Ruby version is (?P<symbol>\S+)|Gem::\w*Error|Bundler::\w+|Your bundle (?:only )?|The gemspec|"
        r"An error occurred while installing (?P<host>\S+)|Because .{1,300} depends on|"
        r"You have (?:already )?activated|The dependencies in your gemfile changed|Downloading \S+ revealed|"
        r"Unable to (?:find|resolve) a spec)", "Bundler", "Could not find ", "Your ", "Gem::", "The gemspec",
        "An error occurred while installing", "Because ", "activated", "gemfile", "revealed", "Unable to"),
    rule("ruby", CauseClass.UNKNOWN, Rank.EXCEPTION,
        r"^(?:\S+\.rb|\S+/[\w.-]+):\d+:in [`'][^`']*[`']: (?P<message>.+)", ":in "),
    rule("ruby", CauseClass.UNKNOWN, Rank.EXCEPTION,
        r"^(?P<code>LoadError|NameError|NoMethodError|ArgumentError|NotImplementedError|ActiveRecord::\w+|"
        r"Errno::\w+|[A-Z]\w+(?:::[A-Z]\w+)*Error): (?P<message>.+)", "Error", "Errno"),
    rule("rake", CauseClass.UNKNOWN, Rank.RELAYED, r"^rake aborted!", "rake aborted!"),
    # PHP
    rule("phpunit", _TEST, Rank.TEST, r"^\d+\) (?P<test>\S+::\S+(?: with data set .+)?)", "::"),
    rule("pest", _TEST, Rank.TEST, r"^\s{0,40}FAILED\s{2,80}(?P<test>\S+ > .+)", "FAILED"),
    rule("pest", _TEST, Rank.LISTED, r"^\s{0,40}[⨯] (?P<test>\S.*)", "⨯"),
    rule("codeception", _TEST, Rank.TEST, r"^\d+\) (?P<test>\w+(?:Cest|Cept|Test|Cs)?: .+)", ") ",
        requires=r"(?i)codeception"),
    rule("behat", _TEST, Rank.TEST, r"^\s{4}(?P<test>\S*features/\S+\.feature:\d+)", ".feature:",
        requires=r"Failed scenarios:"),
    rule("phpspec", _TEST, Rank.TEST, r"^\s{1,40}\d+\s{1,40}[✘!]\s(?P<test>\S.*)", "✘", "!"),
    rule("phpt", _TEST, Rank.TEST, r"^FAIL (?P<test>.+ \[\S+\.phpt\])", ".phpt]"),
    rule("phpstan", _LINT, Rank.SOURCE, r"^\s{2,4}(?::?\d+)\s{2,80}(?P<message>\S.+)", "  ",
        requires=r"^\s{1,40}Line\s{2,80}\S", file_above=True),
    rule("psalm", _LINT, Rank.SOURCE, r"^ERROR: (?P<code>\w+) - (?P<file>[^\s:]+):\d+:\d+ - (?P<message>.+)",
        "ERROR: "),
    rule("psalm", _LINT, Rank.SOURCE, r"^(?P<file>[^\s:]+\.php):\d+:\d+:error - (?P<code>\w+): (?P<message>.+)",
        ":error - "),
    rule("phpcs", _LINT, Rank.SOURCE, r"^\s{0,40}\d+ \| ERROR\s{1,40}\| (?:\[[x ]\] )?(?P<message>\S.*)", "| ERROR",
        file_above=True),
    rule("php-cs-fixer", _LINT, Rank.SOURCE, r"^\s{1,40}\d+\) (?P<file>\S+\.php)(?: \((?P<code>[\w, /]+)\))?", ".php",
        requires=r"(?i)php.?cs.?fixer|Loaded config|Checked all files|Fixed all files|Found \d+ of \d+ files"),
    rule("php", CauseClass.RESOURCES, Rank.TEST,
        r"^(?:PHP )?Fatal error: {1,2}(?P<message>Allowed memory size of .+)", "Allowed memory size"),
    rule("php", _COMPILE, Rank.SOURCE,
        r"^(?:PHP )?(?:Parse|Fatal|Compile) error: {1,2}(?:Uncaught )?(?P<message>.+?)(?: in (?P<file>\S+?)(?: on l"
        r"ine \d+|:\d+))?$", " error: "),
    rule("php", _LINT, Rank.SOURCE, r"^(?P<file>[^\s:]+\.php):\d+:(?:\d+:)? ?(?P<message>\S.*)", ".php:"),
    rule("composer", _DEPENDENCY, Rank.LISTED,
        r"^\s{1,40}- (?P<package>[\w.-]+/[\w.-]+) \S+ requires (?P<symbol>\S+) .*->", " requires "),
    rule("composer", _DEPENDENCY, Rank.TOOL,
        r"^\s{0,40}(?:- Root composer\.json requires (?P<package>\S+)|Your requirements could not be resolved|"
        r"The lock file is not up to date|\[Composer\\\S+|Could not (?:fetch|authenticate|find package)|"
        r"\[InvalidArgumentException\]|- Required package \"(?P<symbol>[^\"]+)\")", "composer.json", "requirements",
        "lock file", "[Composer", "Could not", "[Invalid", "Required package"),
    rule("php", CauseClass.UNKNOWN, Rank.EXCEPTION, r"^In \S+ line \d+:$", " line "),
    rule("infection", _TEST, Rank.TOOL,
        r"^\s{0,40}\[ERROR\] The minimum required (?P<code>MSI|Covered Code MSI) percentage", "minimum required"),
    rule("symfony", _TEST, Rank.TOOL, r"^Remaining (?P<code>\w+) deprecation notices \(\d+\)", "deprecation notices"),
    rule("testdox", _TEST, Rank.LISTED, r"^\s{0,8}[✘✗] (?P<test>\S.*)", "✘", "✗"),
    # .NET
    rule("dotnet", _TEST, Rank.TEST, r"^\s{0,40}(?:\[xUnit\.net [\d:.]+\]\s{1,40})?(?P<test>\S.*) \[FAIL\]$",
        "[FAIL]"),
    rule("dotnet", _TEST, Rank.TEST, r"^\s{0,40}(?:Failed|X) (?P<test>\S.*?) \[(?:< )?[\d.,]+ ?m?s(?: \d+ms)?\]",
        "Failed ", "X "),
    rule("nunit", _TEST, Rank.TEST, r"^\d+\) (?:Failed|Error|Invalid) : (?P<test>\S+)", ") "),
    rule("csc", _COMPILE, Rank.SOURCE,
        r"^\s{0,40}(?P<file>[^\s(]+)\(\d+,\d+(?:,\d+,\d+)?\)\s?: error (?P<code>[A-Z]{1,8}\d{2,5}) ?: (?P<message>."
        r"+?)(?: \[\S+\])?$", ": error ", " error "),
    rule("msbuild", _DEPENDENCY, Rank.SOURCE,
        r"^\s{0,40}(?P<file>\S+)\s?: error (?P<code>NU\d{4}): (?P<message>.+?)(?: \[\S+\])?$", "error NU"),
    rule("msbuild", _COMPILE, Rank.SOURCE,
        r"^\s{0,40}(?P<file>[^\s(]+)(?:\(\d+(?:,\d+)?\))?\s?: (?:\S+ )?error (?P<code>(?:MSB|NETSDK|CS|FS|BC|LNK|C|"
        r"CA|SA|IDE|AD|CSC)\d+)\s?: (?P<message>.+?)(?: \[\S+\])?$", "error "),
    rule("dotnet-format", _LINT, Rank.SOURCE,
        r"^\s{0,40}(?P<file>[^\s(]+)\(\d+,\d+\): error (?P<code>WHITESPACE|IMPORTS|FINALNEWLINE|ENDOFLINE|CHARSET): ",
        ": error "),
    rule("dotnet", CauseClass.UNKNOWN, Rank.EXCEPTION,
        r"^Unhandled exception\. (?P<code>[\w.]+)(?:: (?P<message>.*))?", "Unhandled exception"),
    rule("powershell", CauseClass.UNKNOWN, Rank.EXCEPTION,
        r"^(?P<symbol>[A-Z][a-z]+-[A-Z]\w+): (?P<message>\S.+)|^\s{0,40}\+ FullyQualifiedErrorId : (?P<code>\S+)",
        "-"),
    rule("pester", _TEST, Rank.TEST, r"^\s{0,40}\[-\] (?P<test>\S.*?)(?: [\d.]+m?s.*)?$", "[-] "),
    # Elixir, Perl
    rule("exunit", _TEST, Rank.TEST, r"^\s{1,40}\d+\) (?P<test>(?:test|property|doctest) .+ \(\S+\))$", ") "),
    rule("elixir", _COMPILE, Rank.SOURCE, r"^\*\* \((?P<code>[\w.]+)\) (?P<message>.+)", "** ("),
    rule("credo", _LINT, Rank.SOURCE, r"^┃\s{1,40}(?P<file>\S+\.exs?):\d+", "┃"),
    rule("prove", _TEST, Rank.TEST, r"^#   Failed test '(?P<test>.+)'", "#   Failed test"),
    rule("prove", _TEST, Rank.LISTED, r"^(?P<file>\S+\.t)\s{1,40}\(Wstat: ", "(Wstat: "),
    rule("perl", CauseClass.UNKNOWN, Rank.EXCEPTION, r"^(?P<message>Can't locate (?P<package>\S+) in @INC.*)",
        "Can't locate"),
)  # fmt: skip

HEADINGS: tuple[Heading, ...] = (
    heading("rspec", _TEST, Rank.LISTED, r"^Failures:\s{0,40}$", r"^\s{2,4}1\) (?P<test>\S.*)"),
    heading("rspec", _TEST, Rank.TEST, r"^Failed examples:\s{0,40}$",
        r"^rspec (?P<file>'?\./[^\s:\[]+)\S*(?: # (?P<test>.+))?"),
    heading("phpunit", _TEST, Rank.TEST, r"^There (?:was|were) \d+ (?:failures?|errors?|risky tests?|warnings?):$",
        r"^1\) (?P<test>\S.*)"),
    heading("cucumber", _TEST, Rank.TEST, r"^(?:Failing Scenarios:|\(::\) failed steps \(::\))",
        r"^(?:cucumber )?(?P<file>\S+\.feature\S*)"),
    heading("behat", _TEST, Rank.TEST, r"^--- (?:Failed|Errored) (?:scenarios|hooks):", r"^\s{1,40}(?P<test>\S.*)"),
    heading("minitest", _TEST, Rank.TEST, r"^\s{0,40}\d+\) (?:Failure|Error):$",
        r"^(?P<test>[\w:]+#\S+.*?)(?: \[\S+\])?:?$"),
    heading("minitest", _TEST, Rank.TEST, r"^(?:Failure|Error):$", r"^(?P<test>[\w:]+#\S+.*?)(?: \[\S+\])?:?$"),
    heading("composer", _DEPENDENCY, Rank.TOOL, r"^\s{1,40}Problem 1$", r"^\s{1,40}- (?P<message>\S.*)"),
    heading("phpcs", _LINT, Rank.TOOL, r"^FILE: \S+",
        r"^\s{0,40}\d+ \| (?:ERROR|WARNING)\s{1,40}\| (?P<message>\S.*)"),
    heading("php", CauseClass.UNKNOWN, Rank.EXCEPTION, r"^In \S+ line \d+:$", r"^\s{2,80}(?P<message>\S.*)"),
    heading("testdox", _TEST, Rank.LISTED, r"^Summary of (?:non-successful tests|all failing tests|failures):",
        r"^\s{0,40}(?P<test>\S.*)"),
)  # fmt: skip
