"""Recognisers of the tools of the Java virtual machine: Maven, Gradle, Ant, sbt, compilers, test frameworks. Pure."""

from health.insights.causes.model import CauseClass, Heading, Rank, Rule, heading, rule

_TEST, _LINT, _COMPILE, _DEPENDENCY = CauseClass.TEST, CauseClass.LINT, CauseClass.COMPILE, CauseClass.DEPENDENCY

RULES: tuple[Rule, ...] = (
    # Surefire and Failsafe, of all versions
    rule("surefire", _TEST, Rank.TEST,
        r"^(?:\[ERROR\]\s{1,4})?(?!Tests run)(?P<test>\S[^<]*?),? {1,3}(?:-- )?Time elapsed: [\d.,]+ (?:s|"
        r"sec)\S{0,3}\s{1,4}<<< (?:FAILURE|ERROR)!(?! - in )", "<<< "),
    rule("surefire", _TEST, Rank.LISTED,
        r"^(?:\[ERROR\]\s{1,4})?(?P<test>[A-Z][\w.$>()\[\]-]{1,200}\.\w{1,100}:\d+(?:->\S{1,300})?)(?: » (?P<messag"
        r"e>.*)| .*|$)", ":", requires=r"(?:Failures|Errors|Failed tests|Tests in error): *"),
    rule("surefire", _TEST, Rank.LISTED, r"^(?:\[ERROR\]\s{1,4})?(?P<test>[A-Z]\w*[.>]\S*) » (?P<message>.*)", " » "),
    rule("surefire", _TEST, Rank.LISTED,
        r"^(?:Failed tests|Tests in error):\s{1,40}(?P<test>\w[^\s(]*\([^\s)]+\)):? ?(?P<message>.*)", "ests"),
    rule("surefire", _TEST, Rank.LISTED, r"^\s{1,4}(?P<test>[a-z]\w*\((?:[a-z]\w*\.)+\w+\)):? ?(?P<message>.*)", "(",
        requires=r"(?:Failed tests|Tests in error): *"),
    rule("surefire", CauseClass.RESOURCES, Rank.TEST,
        r"^(?:\[ERROR\] )?.*(?P<code>The forked VM terminated without|ExecutionException The forked VM|"
        r"Crashed tests|The forked VM terminated)", "forked VM", "Crashed tests"),
    rule("surefire", CauseClass.TIMEOUT, Rank.TEST,
        r"^\[ERROR\] .*There was a timeout (?:or other error )?in the fork", "timeout"),
    # JUnit's console, TestNG, Gradle, Ant, ScalaTest, specs2, munit, Spock, Kotest
    rule("gradle", _TEST, Rank.TEST, r"^(?P<test>[A-Za-z_][\w.$]* > .+) FAILED$", " FAILED"),
    rule("gradle", _TEST, Rank.TEST,
        r"^(?:Gradle suite > .*|\s{0,40}Test (?P<test>[^.\s][^.]*)) FAILED(?: \([\d.]+m?s\))?$", " FAILED"),
    rule("testng", _TEST, Rank.TEST, r"^(?P<test>[a-z][\w$]*(?:\.[\w$]+){2,}(?:\[\d+\])?(?:\(.*\))?) FAILED$",
        " FAILED"),
    rule("testng", _TEST, Rank.TEST, r"^FAILED(?: CONFIGURATION)?: (?P<test>(?:@\w+ )?\w+(?:\(.*\))?)$", "FAILED"),
    rule("ant", _TEST, Rank.TEST,
        r"^Testcase: (?P<test>[^\s(]+(?:\([^)]*\))?)(?: took [\d.]+ sec)?:?\s{1,8}(?:FAILED|Caused an ERROR)\b",
        "Testcase: "),
    rule("ant", _TEST, Rank.LISTED, r"^(?:Test|TEST) (?P<test>[\w$.]+) FAILED(?: \(.*\))?$", " FAILED"),
    rule("ant", _TEST, Rank.LISTED, r"^\S+\.xml:\d+: Test (?P<test>\S+) failed$", " failed"),
    rule("junit", _TEST, Rank.TEST, r"^[\s│├└─╷'|+-]{0,60}(?P<test>\S.*?) \[X\] ", "[X]"),
    rule("junit", _TEST, Rank.TEST, r"^\d+\) (?P<test>[\w \[\]=,.-]+\([\w.$]+\))$", ") "),
    rule("scalatest", _TEST, Rank.TEST, r"^(?:\[(?:info|error)\] )?\s{0,40}- (?P<test>\S.*?) \*\*\* FAILED \*\*\*",
        "*** FAILED"),
    rule("scalatest", _TEST, Rank.LISTED, r"^(?:\[error\] )?(?P<test>\S.*) \*\*\* (?:FAILED|ABORTED) \*\*\*", "*** "),
    rule("sbt", _TEST, Rank.LISTED,
        r"^\[error\]\s{2,80}(?P<test>(?:[\w$]{1,80}\.){1,20}[A-Z]\w{0,100}(?:Test|Spec|Suite)\w{0,20})$", "[error]"),
    rule("munit", _TEST, Rank.TEST, r"^(?:\[error\] )?==> X (?P<test>\S.*?) {1,4}[\d.]{1,12}s", "==> X"),
    rule("specs2", _TEST, Rank.TEST, r"^\[error\]\s{1,40}[x!] (?P<test>\S.*)", "[error]"),
    rule("partest", _TEST, Rank.TEST, r"^!! +\d+ - (?P<test>\S+)\s{1,80}\[[\w ]+\]$", "!! "),
    # compilers
    rule("javac", _COMPILE, Rank.SOURCE,
        r"^\[ERROR\] (?P<file>\S+\.(?:java|kt|scala|groovy)):\[\d+(?:,\d+)?\] ?(?:error: )?(?!\()(?P<message>.*)",
        "[ERROR]"),
    rule("javac", _COMPILE, Rank.SOURCE,
        r"^(?:\[ERROR\] |e: |\[error\] )?(?P<file>[^\s:]+\.(?:java|groovy|"
        r"scala)):\d+(?::\d+)?: (?:error: )(?P<message>.+)", "error: "),
    rule("kotlinc", _COMPILE, Rank.SOURCE,
        r"^e: (?:file://)?(?P<file>[^\s:]+\.kts?):(?:\d+:\d+:? | ?\(\d+, ?\d+\): )(?P<message>.+)", "e: "),
    rule("kotlinc", _COMPILE, Rank.SOURCE, r"^e: (?P<message>(?!warnings found).+)", "e: "),
    rule("kotlinc", _COMPILE, Rank.SOURCE, r"^\[ERROR\] (?P<file>/\S+\.kt): \(\d+, ?\d+\) (?P<message>.+)",
        "[ERROR]"),
    rule("groovyc", _COMPILE, Rank.SOURCE, r"^(?P<file>[^\s:]+\.groovy): \d+: (?P<message>.+)", ".groovy: "),
    rule("scalac", _COMPILE, Rank.SOURCE,
        r"^(?:\[error\] )(?:-- )?(?:\[(?P<code>E\d+)\] .{1,80}: )?(?P<file>[^\s:]+\.scala):\d+(?::\d+)?:? ?(?P<mess"
        r"age>.*)", "[error]"),
    rule("scalac", _COMPILE, Rank.SOURCE, r"^(?P<file>[^\s:]+\.scala):\d+: error: (?P<message>.+)", ": error: "),
    rule("ecj", _COMPILE, Rank.SOURCE, r"^\d+\. ERROR in (?P<file>\S+)", ". ERROR in "),
    # linters
    rule("checkstyle", _LINT, Rank.SOURCE,
        r"^\[(?:ERROR|error|ant:checkstyle)\] (?:\[ERROR\] )?(?P<file>[^\s:]+\.\w+):\d+(?::\d+)?: (?P<message>.+?)("
        r"?: \[(?P<code>\w+)\])?$", "[ERROR]", "[ant:", "[error]"),
    rule("checkstyle", _LINT, Rank.SOURCE,
        r"^\[ERROR\] (?P<file>[^\s:]+\.\w+):\[\d+(?:,\d+)?\] \((?P<symbol>\w+)\) (?P<code>\w+): (?P<message>.+)",
        "[ERROR]"),
    rule("checkstyle", _LINT, Rank.SOURCE,
        r"^\[ERROR\] (?P<file>/\S+\.\w+):\d+:(?:\d+:)? (?P<message>.+) \[(?P<code>\w+)\]", "[ERROR]"),
    rule("pmd", _LINT, Rank.SOURCE,
        r"^(?:\[(?:ERROR|INFO|WARNING)\] )?PMD Failure: (?P<file>\S+?):\d+ Rule:(?P<code>\w+)", "PMD Failure"),
    rule("pmd", _LINT, Rank.SOURCE, r"^(?P<file>\S+\.java):\d+:\s{1,40}(?P<code>[A-Z]\w+):\s{1,40}\S", ".java:",
        requires=r"PMD"),
    rule("spotbugs", _LINT, Rank.SOURCE,
        r"^\[ERROR\] (?:High|Medium|Low): (?P<message>.+) (?P<code>[A-Z]{2,}_[A-Z_]+)$", "[ERROR]"),
    rule("ktlint", _LINT, Rank.SOURCE,
        r"^(?:Lint error > |\[ERROR\] )?(?P<file>[^\s:]+\.kts?):\d+:\d+:? (?P<message>.+?)(?: \((?P<code>[\w:-]+)"
        r"\))?$", ".kt:", ".kts:"),
    rule("android-lint", _LINT, Rank.SOURCE, r"^(?P<file>[^\s:]+\.\w+):\d+: Error: (?P<message>.+) \[(?P<code>\w+)\]",
        ": Error: "),
    rule("javadoc", _LINT, Rank.SOURCE,
        r"^(?:\[ERROR\] )?(?P<file>[^\s:]+\.java):\d+: (?:error|warning): (?P<message>.+)", ": error"),
    rule("rat", _LINT, Rank.TOOL, r"^(?:\[ERROR\] )?.*(?P<message>Too many files with unapproved license: \d+)",
        "unapproved license"),
    rule("license", _LINT, Rank.SOURCE,
        r"^(?:\[(?:WARNING|ERROR)\] )?(?:Missing header in: |Some files do not have the expected license header)(?P"
        r"<file>\S*)", "header"),
    rule("japicmp", _COMPILE, Rank.SOURCE,
        r"^\[ERROR\] (?:Incompatibility detected|There is at least one incompatibility|java\.(?:method|class|"
        r"field)\.\w+:)", "[ERROR]"),
    # Maven
    rule("enforcer", _DEPENDENCY, Rank.TOOL, r"^Dependency convergence error for (?P<package>\S+)",
        "convergence error"),
    rule("enforcer", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^\[(?:WARNING|ERROR)\] Rule \d+: (?P<code>\S+) failed with message:?(?P<message>.*)",
        " failed with message"),
    rule("maven", _DEPENDENCY, Rank.TOOL,
        r"^(?:\[ERROR\] |\[FATAL\] )?(?:Failed to execute goal .*)?(?:Could not (?:resolve|find|"
        r"transfer) (?:dependencies|artifact|metadata)|Failed to (?:collect|read) (?:dependencies|artifact)|"
        r"Non-resolvable (?:parent|import) POM|Failure to find|"
        r"Unresolveable build extension)(?: for project)?:? ?(?P<package>[\w.:-]*)(?P<message>.*)", "[ERROR] ",
        "[FATAL] ", "Could not ", "Failure to find"),
    rule("maven", _COMPILE, Rank.TOOL,
        r"^\[ERROR\] Failed to execute goal (?P<package>[\w.:-]+)(?: \([\w-]+\))? on project (?P<symbol>\S+): (?P<m"
        r"essage>Fatal error compiling: .+)", "Fatal error compiling"),
    rule("maven", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^\[(?:ERROR|FATAL)\] (?P<message>(?:Malformed POM|Non-parseable POM|'[\w.]+' is missing|"
        r"The goal you specified|No plugin found for prefix|Unknown lifecycle phase|"
        r"Plugin \S+ or one of its dependencies|Could not find the selected project|The project \S+ has \d+ error|"
        r"Child module).*)", "[ERROR] ", "[FATAL] "),
    rule("maven", _LINT, Rank.TOOL,
        r"^\[ERROR\] Failed to execute goal (?P<package>[\w.:-]{0,120}?(?:checkstyle|pmd|spotbugs|findbugs|"
        r"spotless|fmt-maven|formatter|license|rat-plugin|ktlint|editorconfig|impsort|sortpom|javadoc|"
        r"rewrite)[\w.:-]{0,120})(?: \([\w-]+\))? on project (?P<symbol>[^\s:]+): (?P<message>.+)",
        "Failed to execute goal"),
    rule("maven", CauseClass.UNKNOWN, Rank.TOOL,
        r"^\[ERROR\] Failed to execute goal (?P<package>[\w.:-]+)(?: \([\w.-]+\))? on project (?P<symbol>[^\s:]+): "
        r"(?!There (?:are test failures|was a timeout)|Compilation failure$|There are some|See )(?P<message>.+)",
        "Failed to execute goal"),
    # Gradle, sbt, Ant
    rule("gradle", _DEPENDENCY, Rank.TOOL,
        r"^\s{0,40}> Could not (?:resolve|find|download|GET|HEAD) (?P<package>\S+)", "> Could not "),
    rule("gradle", _DEPENDENCY, Rank.TOOL,
        r"^\s{0,40}> (?:Plugin \[id: '(?P<package>[^']+)'|No matching variant of (?P<symbol>\S+))", "> Plugin",
        "> No matching"),
    rule("sbt", _DEPENDENCY, Rank.TOOL,
        r"^\[error\] (?:\(\S+\) )?(?:sbt\.librarymanagement\.ResolveException: |.*)?(?:Error downloading|"
        r"unresolved dependency:) (?P<package>\S+)", "Error downloading", "unresolved dependency"),
    rule("sbt", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^\[error\] (?P<message>(?:Not a valid (?:command|key|project ID)|Expected |Reference to undefined|"
        r"java\.lang\.\w+Error).*)", "[error]"),
    rule("sbt", CauseClass.UNKNOWN, Rank.TOOL,
        r"^\[error\]\s{1,8}(?:- )?(?P<symbol>[\w/:-]+) failed: (?P<code>[\w.]+(?:Exception|Error)): (?P<message>.+)",
        " failed: "),
    rule("ant", CauseClass.UNKNOWN, Rank.REPORT,
        r"^(?P<file>\S+\.xml):\d+: (?!The following error occurred|Compile failed|Java returned|exec returned|"
        r".{0,40}[Tt]ests? (?:failed|FAILED))(?P<message>\S.*)", ".xml:", requires=r"^BUILD FAILED"),
    rule("ivy", _DEPENDENCY, Rank.TOOL, r"^\s{0,40}:: (?P<package>[\w.-]++#[\w.;-]++): (?:not found|java)", ":: "),
    # the virtual machine
    rule("java", CauseClass.RESOURCES, Rank.TEST, r"^.*(?P<code>java\.lang\.OutOfMemoryError)\b:? ?(?P<message>.*)",
        "OutOfMemoryError", requires=r"BUILD FAIL|OutOfMemoryError.*(?:Metaspace|heap)"),
    rule("java", CauseClass.RESOURCES, Rank.TEST, r"^# A fatal error has been detected by the Java Runtime",
        "# A fatal error"),
    rule("java", CauseClass.UNKNOWN, Rank.EXCEPTION,
        r"^Exception in thread \"[^\"]*\" (?P<code>[\w.$]+)(?:: (?P<message>.*))?", "Exception in thread"),
)  # fmt: skip

HEADINGS: tuple[Heading, ...] = (
    heading("surefire", _TEST, Rank.LISTED, r"^(?:\[ERROR\] )?(?:Failures|Failed tests|Errors|Tests in error): *$",
        r"^(?:\[ERROR\])?\s{1,6}(?P<test>\w[^\s:»]*)(?:[\s:»](?P<message>.*))?$"),
    heading("javac", _COMPILE, Rank.SOURCE, r"^\[ERROR\] COMPILATION ERROR ?:",
        r"^\[ERROR\] (?=[^\s.]*\.\w)(?P<file>[^\s:]++)\S*+ (?P<message>.+)"),
    heading("enforcer", CauseClass.CONFIGURATION, Rank.TOOL, r"^\[\w+\] Rule \d+: \S+ failed with message",
        r"^(?:\[\w+\] )?(?P<message>\w.+)"),
    heading("spotless", _LINT, Rank.TOOL, r"The following files had format violations:",
        r"^(?:>|\[ERROR\])?\s{0,40}(?P<file>[\w./-]+\.\w+)$"),
    heading("gradle", CauseClass.UNKNOWN, Rank.TOOL, r"^\* What went wrong:",
        r"^\s{0,40}+(?:> |\* )?+(?!Execution failed for |A problem (?:occurred|was found)|There (?:were|was) |"
        r"Compilation (?:failed|error)|A failure occurred|Process '|Multiple (?:task|build)|Task |"
        r"\d+: )(?P<message>\S.*)"),
    heading("ant", CauseClass.UNKNOWN, Rank.REPORT, r"^BUILD FAILED$",
        r"^\S+\.xml:\d+: (?!The following error occurred|Compile failed|Java returned|exec returned|"
        r".{0,40}[Tt]ests? (?:failed|FAILED))(?P<message>\S.*)"),
    heading("sbt", _TEST, Rank.LISTED, r"^\[error\] Failed tests:", r"^\[error\]\s{1,40}(?P<test>[\w.$]+)$"),
)  # fmt: skip
