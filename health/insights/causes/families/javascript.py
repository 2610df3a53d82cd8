"""Recognisers of JavaScript's and TypeScript's tools: test runners, linters, bundlers, package managers. Pure: data."""

from health.insights.causes.model import CauseClass, Heading, Rank, Rule, heading, rule

_TEST, _LINT, _COMPILE, _DEPENDENCY = CauseClass.TEST, CauseClass.LINT, CauseClass.COMPILE, CauseClass.DEPENDENCY

RULES: tuple[Rule, ...] = (
    # Jest, Vitest, Playwright, AVA, node:test, TAP, Karma, Jasmine
    rule("jest", _TEST, Rank.TEST,
        r"^\s{0,40}● (?P<test>(?!Console$|Test suite failed|Validation|Deprecation|Cannot log|"
        r"Multiple config)\S.* › .+|(?!Console$|Test suite failed|Validation|Deprecation|Cannot log|"
        r"Multiple config)\S.*)$", "● ", requires=r"^\s{0,40}FAIL\s|^Tests:\s|^Test Suites:"),
    rule("jest", _TEST, Rank.TEST,
        r"^\s{0,40}FAIL\s{1,40}(?P<test>(?:\S+ +)?\S+\.\w+(?: > .+)?)(?: \([\d.]+ m?s\))?$", "FAIL"),
    rule("vitest", _TEST, Rank.TEST, r"^\s{0,40}FAIL\s{1,40}(?P<test>(?:\|\S+\| )?\S+\.\w+(?: (?:>|\[) ?.+)?)$",
        "FAIL"),
    rule("playwright", _TEST, Rank.TEST, r"^\s{1,8}\d+\) (?P<test>\[[\w -]+\] › .+?)(?: ─+)?$", " › "),
    rule("playwright", _TEST, Rank.TEST, r"^\s{1,8}\d+\) (?P<test>\S+\.(?:spec|test)\.\w+:\d+:\d+ › .+?)(?: ─+)?$",
        " › "),
    rule("vitest", _TEST, Rank.LISTED, r"^\s{1,40}[×❌] (?P<test>\S.*?)(?: \d+ ?m?s)?$", "×", "❌"),
    rule("vitest", _TEST, Rank.LISTED, r"^❌ (?P<test>\S+\.\w+ > .+)$", "❌"),
    rule("jest", _TEST, Rank.LISTED, r"^\s{1,40}[✕✗] (?P<test>\S.*?)(?: \(\d+ ?m?s\))?$", "✕", "✗"),
    rule("ava", _TEST, Rank.TEST, r"^\s{0,40}[✖✘] (?:\[fail\]: )?(?P<test>\S.* › .+)$", "✖", "✘"),
    rule("ava", _TEST, Rank.LISTED,
        r"^\s{0,40}[✖✘] (?:\[fail\]: |No tests found|Timed out|Couldn|Error)(?P<test>.*)$", "✖", "✘"),
    rule("tap", _TEST, Rank.TEST, r"^\s{0,40}not ok \d+ (?:- )?(?P<test>[^#]*[^#\s])", "not ok "),
    rule("karma", _TEST, Rank.TEST,
        r"^(?:\S+ )?(?:Chrome|Firefox|HeadlessChrome|ChromeHeadless|Safari|"
        r"Edge)\S* [\d.]* ?\(.{1,60}\)?\)? (?P<test>.+) FAILED$", " FAILED"),
    rule("karma", _TEST, Rank.TEST,
        r"^(?:[A-Z][\w-]{1,30} ){1,3}[\d.]{1,20} \([^)]{1,60}\) (?P<test>\S.*) FAILED$", " FAILED"),
    rule("karma", CauseClass.TIMEOUT, Rank.LISTED,
        r"^\s{0,8}(?P<message>Disconnected ?, because no message in \d+ ms.*)", "because no message"),
    rule("foundry", _TEST, Rank.TEST, r"^\[FAIL[.:] (?:Reason: )?(?P<message>.+?)\] (?P<test>\w+)\(", "[FAIL"),
    rule("mocha", _TEST, Rank.TEST, r"^\s{2,80}\d+\) (?P<test>\S.*)", ") ", requires=r"^\s{0,40}\d+ failing\b",
        is_titled=True),
    rule("lab", _TEST, Rank.TEST, r"^\s{2}\d+\) (?P<test>\S.*?):?$", ") ",
        requires=r"^Failed tests:|^\d+ of \d+ tests failed"),
    rule("lab", _TEST, Rank.TOOL, r"^(?:The following leaks were detected|Coverage: \d[\d.]*% \(.*|\d[\d.]*% < )",
        "leaks", "Coverage: ", requires=r"^\d+ tests? (?:passed|failed)|^\d+ of \d+ tests"),
    rule("cypress", _TEST, Rank.LISTED,
        r"^\s{0,40}(?P<message>(?:AssertionError|CypressError): Timed out retrying.*)", "Timed out retrying"),
    rule("jest", CauseClass.TEST, Rank.TOOL, r"^Jest: \"?(?P<message>.{0,100}threshold .{0,200}not met.*)",
        "threshold"),
    rule("coverage", CauseClass.TEST, Rank.TOOL,
        r"^(?P<message>(?:(?:Code|Test|Total|Line|Branch) )?[Cc]overage\b.{0,100}\b(?:below|under|less than|"
        r"lower than|not meet)\b.+)", "overage"),
    rule("nyc", CauseClass.TEST, Rank.TOOL, r"^ERROR: Coverage for (?P<code>\w+) \(", "ERROR: Coverage"),
    # TypeScript, bundlers, frameworks
    rule("tsc", _COMPILE, Rank.SOURCE, r"^(?P<file>[^\s(]+)\(\d+,\d+\): error (?P<code>TS\d+): (?P<message>.+)",
        "error TS"),
    rule("tsc", _COMPILE, Rank.SOURCE, r"^(?P<file>[^\s:]+):\d+:\d+ - error (?P<code>TS\d+): (?P<message>.+)",
        "error TS"),
    rule("tsc", _COMPILE, Rank.SOURCE,
        r"^(?:\[tsl\] |Error: )?(?:ERROR in )?.{0,300}\berror (?P<code>TS\d+): (?P<message>.+)", "error TS"),
    rule("tsc", _COMPILE, Rank.SOURCE, r"^\s{0,40}(?P<code>TS\d{3,5}): (?P<message>.+)", "TS"),
    rule("next", _COMPILE, Rank.SOURCE,
        r"^\s{0,40}(?:Type error|Module not found|Syntax error|Parsing error|Build error occurred): (?P<message>.+)",
        " error: ", "not found: "),
    rule("webpack", _COMPILE, Rank.SOURCE, r"^\s{0,40}ERROR in (?P<file>[\w./@-]+\S*)", "ERROR in "),
    rule("esbuild", _COMPILE, Rank.SOURCE, r"^\s{0,40}✘ \[ERROR\] (?!A request to the )(?P<message>.+)", "✘ [ERROR]"),
    rule("rollup", _COMPILE, Rank.SOURCE,
        r"^\[!\] (?P<message>(?!CocoaPods|No podspec|Unable to (?:find|add)|The `|Invalid `)\S.*)|"
        r"^(?:RollupError|\[vite\S*\]|\[commonjs\S*\]): (?P<code>\S.*)", "[!]", "Rollup",
        "[vite"),
    rule("babel", _COMPILE, Rank.SOURCE, r"^\s{0,40}SyntaxError: (?P<file>/\S+\.[jt]sx?): (?P<message>.+)",
        "SyntaxError: "),
    rule("svelte", _COMPILE, Rank.SOURCE, r"^(?P<file>/?\S+\.(?:svelte|vue)):\d+:\d+$", ".svelte:", ".vue:"),
    # linters
    rule("eslint", _LINT, Rank.SOURCE,
        r"^\s{1,40}\d+:\d+\s{1,40}error\s{1,40}(?P<message>\S.*?)(?:\s{2,80}(?P<code>[\w@/-]{1,80}))?$", " error ",
        file_above=True),
    rule("eslint", _LINT, Rank.SOURCE,
        r"^(?P<file>[^\s:]+):(?: line )?\d+(?:, col |:)\d+(?:, |"
        r": )Error - (?P<message>.+?)(?: \((?P<code>[\w@/-]+)\))?$", "Error - "),
    rule("eslint", _LINT, Rank.SOURCE,
        r"^(?P<file>[^\s:]+\.[jt]sx?):\d+:\d+: (?P<message>.+) \[Error/(?P<code>[\w@/-]+)\]$", "[Error/"),
    rule("stylelint", _LINT, Rank.SOURCE,
        r"^\s{0,40}\d+:\d+\s{1,40}✖\s{1,40}(?P<message>\S.*?)(?:\s{2,80}(?P<code>[\w@/-]{1,80}))?$", "✖",
        file_above=True),
    rule("stylelint", _LINT, Rank.SOURCE,
        r"^\s{0,40}\d+:\d+\s{1,40}(?P<message>[A-Z].*?)\s{1,40}\(?(?P<code>[a-z]+(?:-[a-z]+){1,6})\)?$", ":",
        requires=r"^\S+\.(?:css|scss|sass|less)$", file_above=True),
    rule("sass", _COMPILE, Rank.TOOL,
        r"^(?:Error: |\s{0,40}SassError: )(?P<message>(?:Invalid CSS|[Uu]ndefined (?:variable|mixin|function)|"
        r"File to import not found|Can't find stylesheet|expected \").*)", "Error: "),
    rule("standard", _LINT, Rank.SOURCE, r"^\s{0,40}(?P<file>[^\s:]+\.[jt]sx?):\d+:\d+: (?P<message>\S.*)", ".js:",
        ".ts:", ".jsx:", ".tsx:"),
    rule("tslint", _LINT, Rank.SOURCE, r"^ERROR: (?P<file>[^\s:]+)(?::\d+:\d+ - |\[\d+, \d+\]: )(?P<message>.+)",
        "ERROR: "),
    rule("prettier", _LINT, Rank.SOURCE, r"^\[warn\] (?!Code style)(?P<file>[^\s:]+\.\w+)$", "[warn]",
        requires=r"^\[warn\] Code style issues|^\[error\]"),
    rule("prettier", _LINT, Rank.POSITION, r"^(?P<file>[\w./@-]+\.[A-Za-z]\w{0,5})$", ".",
        requires=r"^Code style issues (?:found|were found)"),
    rule("prettier", _LINT, Rank.SOURCE, r"^\[error\] (?P<file>[^\s:]+): (?P<code>\w*Error): (?P<message>.+)",
        "[error]"),
    rule("biome", _LINT, Rank.SOURCE,
        r"^(?P<file>\.?/?\S+\.\w+)(?::\d+:\d+)? (?P<code>lint/\S+|format|parse|organizeImports|"
        r"assist/\S+) ?(?:FIXABLE )?━", "━"),
    rule("markdownlint", _LINT, Rank.SOURCE, r"^(?P<file>[^\s:]+\.mdx?):\d+(?::\d+)? (?:error )?(?P<code>MD\d{3})",
        "MD0"),
    rule("commitlint", _LINT, Rank.SOURCE, r"^\s{0,40}✖\s{2,80}(?P<message>(?!found|\d+ problems?)\S.*)", "✖"),
    rule("jshint", _LINT, Rank.SOURCE, r"^(?P<file>[^\s:]+): line \d+, col \d+, (?P<message>.+)", ": line "),
    rule("gulp", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^(?P<message>Task never defined: (?P<symbol>\S+)|Task '[^']+' is not in your gulpfile.*)", "Task "),
    # package managers
    rule("npm", _DEPENDENCY, Rank.TOOL, r"^npm (?:ERR!|error) invalid: (?P<package>\S+)", "npm "),
    rule("npm", _DEPENDENCY, Rank.TOOL,
        r"^npm (?:ERR!|error) (?:404|403|401|400|429|500|502|503|"
        r"504)\s{1,40}(?P<message>.{0,200}?(?P<package>'[^']{1,200}'|https?://\S{1,300}).*)", "npm "),
    rule("npm", _DEPENDENCY, Rank.TOOL,
        r"^npm (?:ERR!|error) (?:Missing: (?P<package>\S+) from lock file|(?:Invalid: lock file's) (?P<symbol>\S+))",
        "npm "),
    rule("npm", _DEPENDENCY, Rank.TOOL,
        r"^npm (?:ERR!|error) (?P<message>(?:`npm ci` can only install|ERESOLVE (?:unable|could not)|"
        r"Could not resolve dependency|Unsupported engine|notarget No matching version|Cannot read propert|"
        r"Invalid Version|Tracker|network request to|missing script|Missing script|cb\(\) never called|"
        r"Error while executing|engine |ENOENT|The `npm ci`|cipm can only).*)", "npm "),
    rule("npm", _DEPENDENCY, Rank.POSITION,
        r"^npm (?:ERR!|error) (?P<message>(?!code |errno |syscall |path |command |signal |Exit status|"
        r"Failed at the |This is probably|A complete log|aliases|Options|Usage|Run \"|\[|Clean install|"
        r"\S+@\S+ \S+: `|workspace |location |\s{1,40}/|Test failed|Lifecycle script|file |cwd |node v|npm  ?v|"
        r"argv |Linux |Darwin|stack |sh$|spawn|ci$|weird error|not ok code|Could not install|If you|You can|"
        r"This command|\d+ )[A-Za-z`'\"].+)", "npm "),
    rule("pnpm", _DEPENDENCY, Rank.TOOL,
        r"^\s{0,40}(?:ERROR\s{1,40})?(?P<code>ERR_PNPM_(?!RECURSIVE_RUN)\w+)\s{1,40}(?P<message>.*)", "ERR_PNPM_"),
    rule("yarn", _DEPENDENCY, Rank.TOOL,
        r"^➤ (?P<code>YN(?!0000|0013|0007|0005|0002|0009|0060|0086)\d{4}): .*?(?P<message>[A-Za-z@].*)", "➤ YN"),
    rule("yarn", _DEPENDENCY, Rank.TOOL,
        r"^error (?P<message>(?!Command failed|An unexpected)(?:[A-Z]\S*|\S+@\S+).*)", "error "),
    rule("yarn", _DEPENDENCY, Rank.TOOL, r"^error An unexpected error occurred: (?P<message>.+)",
        "error An unexpected"),
    rule("lerna", _DEPENDENCY, Rank.TOOL, r"^lerna ERR! (?P<message>(?!yarn run|npm run|lerna )[A-Z].+)",
        "lerna ERR!"),
    # Node.js
    rule("node", CauseClass.RESOURCES, Rank.TEST, r"^(?:<--- )?FATAL ERROR: .*(?P<code>heap out of memory).*",
        "heap out of memory"),
    rule("node", _DEPENDENCY, Rank.EXCEPTION,
        r"^(?:Error: )?(?P<message>Cannot find (?:module|package) '(?P<package>[^']+)'.*)", "Cannot find "),
    rule("node", CauseClass.CONFIGURATION, Rank.EXCEPTION, r"^(?:Error: )?error:(?P<code>0308010C):", "0308010C"),
)  # fmt: skip

HEADINGS: tuple[Heading, ...] = (
    heading("mocha", _TEST, Rank.TEST, r"^\s{0,40}\d+ failing\b", r"^\s{1,8}1\) (?P<test>\S.*)", is_titled=True),
    heading("mocha", _TEST, Rank.TEST, r"^\s{1,8}\d+\)\s{0,8}$", r"^\s{4,80}(?!at )(?P<test>\S.*)", is_titled=True),
    heading("lab", _TEST, Rank.TEST, r"^Failed tests:\s{0,40}$", r"^\s{1,4}\d+\) (?P<test>\S.*?):?$"),
    heading("jest", _TEST, Rank.LISTED, r"^\s{0,40}● Test suite failed to run", r"^\s{1,40}(?P<message>[\w@'\"].*)"),
    heading("cypress", _TEST, Rank.TEST, r"^\s{0,40}\d+ failed, \d+ passed|^\s{2}\d+ flaky$",
        r"^\s{1,40}(?P<test>\[\w[\w -]*\] › .+)"),
    heading("jasmine", _TEST, Rank.TEST, r"^Failures:\s{0,40}$", r"^1\) (?P<test>\S.*)"),
)  # fmt: skip
