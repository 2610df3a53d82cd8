"""Recognisers of failures of machines, networks, registries and services, and of tools of deployment. Pure: data."""

from health.insights.causes.model import CauseClass, Heading, Rank, Rule, heading, rule

_INFRASTRUCTURE, _TIMEOUT, _RESOURCES = CauseClass.INFRASTRUCTURE, CauseClass.TIMEOUT, CauseClass.RESOURCES
_CONFIGURATION, _DEPENDENCY, _LINT = CauseClass.CONFIGURATION, CauseClass.DEPENDENCY, CauseClass.LINT

RULES: tuple[Rule, ...] = (
    # the runner
    rule("runner", _TIMEOUT, Rank.RUNNER,
        r"(?P<message>(?:The job (?:running on runner .{1,100} )?has exceeded the maximum execution time|"
        r"The action '[^']{1,200}' has timed out after)\b.*)", "exceeded the maximum execution time",
        "has timed out after"),
    rule("runner", _INFRASTRUCTURE, Rank.RUNNER,
        r"(?P<message>(?:The (?:self-hosted )?runner (?:has received a shutdown signal|lost communication|"
        r".{0,80}did not connect)|The self-hosted runner: .{1,100} lost communication|"
        r"The hosted runner (?:encountered|lost)|The job was not (?:acquired by|started because)|"
        r"Received request to deprovision|The remote provider was unable|"
        r"GitHub Actions has encountered an internal error|An error occurred while provisioning|"
        r"Runner .{1,80} did not respond).*)", "runner", "Runner", "The job was not", "deprovision",
        "remote provider", "GitHub Actions has", "provisioning"),
    rule("runner", _RESOURCES, Rank.RUNNER, r"^(?:System\.IO\.IOException: |You are running out of disk space).*",
        "IOException", "running out of disk"),
    rule("runner", _CONFIGURATION, Rank.TOOL,
        r"(?P<message>(?:Unable to resolve action|Can't find 'action\.yml'|Can't find .action\.yml|"
        r"Input required and not supplied: (?P<symbol>\S+)|Unrecognized named-value|The workflow is not valid|"
        r"Error: Unable to (?:find|locate) (?:an )?(?:action|executable file)|"
        r"Unable to locate executable file: (?P<package>[\w-]+)|Version .{1,60} (?:was not found|with arch)|"
        r"The template is not valid|Invalid workflow file).*)", "action", "Input required", "Unrecognized",
        "workflow", "template", "Version ", "Unable to locate executable"),
    rule("runner", _INFRASTRUCTURE, Rank.TOOL,
        r"^(?:\[runner-container-hooks\] FATAL: )?(?P<message>(?:Error: )?(?:pod failed to come online|"
        r"received SIG(?:INT|TERM)|Failed to initialize container|Docker pull failed with exit code|"
        r"Container .{1,80} is unhealthy|One or more containers failed to start|failed to start container|"
        r"Failed to (?:download (?:action|archive)|resolve action download info|CreateArtifact|FinalizeArtifact|"
        r"GetSignedArtifactURL)|Cache service responded with|Our services aren't available).*)", "pod failed",
        "received SIG", "ontainer", "Docker pull", "Failed to ", "Cache service", "Our services"),
    # resources
    rule("system", _RESOURCES, Rank.SYSTEM,
        r"(?i)(?P<code>no space left on device|ENOSPC|disk quota exceeded|cannot allocate memory|out of memory|"
        r"oom.?kill(?:ed|er)?|virtual memory exhausted|std::bad_alloc|ENOMEM|resource temporarily unavailable|"
        r"too many open files|EMFILE)", "pace left", "PACE LEFT", "ENOSPC", "quota exceeded", "allocate memory",
        "ut of memory", "UT OF MEMORY", "om", "OOM", "memory exhausted", "bad_alloc", "ENOMEM",
        "temporarily unavailable", "open files", "EMFILE"),
    rule("system", _RESOURCES, Rank.SYSTEM,
        r"(?i)(?:\bexit(?:ed)?(?: with)?(?: status| code)?:? (?P<status>137|139|134|143|135|136|132)\b|"
        r"^(?:.{0,300}: line \d+: +\d+ )?(?P<code>Killed|Segmentation fault|Bus error|Aborted|Illegal instruction|"
        r"Floating point exception|Terminated)\b(?: \(core dumped\))?)", "exit", "Exit", "illed", "egmentation",
        "Bus error", "Aborted", "Illegal", "Floating", "Terminated"),
    rule("system", _RESOURCES, Rank.EXCEPTION,
        r"(?P<code>Segmentation fault \(core dumped\)|signal: 11, SIGSEGV|SIGSEGV: segmentation violation|"
        r"Segmentation fault: 11)", "SIGSEGV", "Segmentation fault"),
    rule("system", _RESOURCES, Rank.EXCEPTION,
        r"^(?:libc\+\+abi(?:\.dylib)?: )?terminat(?:e called|ing)(?: after throwing| with| due to) (?P<message>.+)",
        "terminat"),
    # networks, registries
    rule("docker", _INFRASTRUCTURE, Rank.TOOL, r"(?P<code>toomanyrequests): (?P<message>.+)", "toomanyrequests"),
    rule("docker", _DEPENDENCY, Rank.TOOL,
        r"(?:manifest for (?P<package>\S+) not found|pull access denied for (?P<symbol>[^\s,]+)|manifest unknown|"
        r"repository (?P<host>\S+) not found|failed to resolve source metadata for (?P<file>[^\s:]+\S*): )",
        "manifest", "pull access denied", "repository ", "source metadata"),
    rule("docker", _INFRASTRUCTURE, Rank.TOOL,
        r"(?:^|: )(?P<message>(?:Error response from daemon|error during connect|"
        r"Cannot connect to the Docker daemon|failed to authorize|unauthorized: |denied: |"
        r"net/http: TLS handshake timeout).*)", "daemon", "error during connect", "authorize", "unauthorized",
        "denied: ", "TLS handshake"),
    rule("docker", CauseClass.COMPILE, Rank.TOOL,
        r"^(?:ERROR: )?(?:failed to solve: )?(?:dockerfile parse error|failed to (?:compute cache key|"
        r"calculate checksum|read dockerfile|process)|.*: \"?(?P<file>/\S+?)\"?: not found$)", "dockerfile parse",
        "failed to ", ": not found"),
    rule("apt", _DEPENDENCY, Rank.TOOL,
        r"^E: (?:Unable to locate package (?P<package>\S+)|Package '(?P<symbol>[^']+)'|"
        r"Version '[^']+' for '(?P<code>[^']+)'|(?P<message>(?:Failed to fetch|The repository|Unable to (?:fetch|"
        r"correct)|Could not get lock|Sub-process|Couldn't|Malformed|Unmet|The package|You must|Release file|"
        r"Conflicting|Some ).*))", "E: "),
    rule("apk", _DEPENDENCY, Rank.TOOL,
        r"^\s{0,40}(?P<package>[\w.-]+) \(no such package\):|^ERROR: unable to select packages|"
        r"^(?:Error: )?(?:Unable to find a match|No match for argument): (?P<symbol>\S+)", "no such package",
        "unable to select", "Unable to find a match", "No match for"),
    rule("brew", _DEPENDENCY, Rank.TOOL,
        r"^Error: (?P<message>(?:No (?:available|formulae)|Failed to (?:download|install)|The `brew link`|"
        r"\S+: (?:no bottle|wrong number|Failed to)|Cannot install|It seems there).*)", "Error: "),
    rule("curl", _INFRASTRUCTURE, Rank.TOOL,
        r"^(?:.{0,40} )?curl: \((?P<code>\d+)\) (?P<message>.*?(?:error: (?P<status>\d{3})|host:? (?P<host>\S+))?)$",
        "curl: ("),
    rule("wget", _INFRASTRUCTURE, Rank.TOOL,
        r"^(?:\S+ \S+ )?(?:wget: (?P<message>(?:unable to resolve|can't connect|server returned|bad address|"
        r"download timed).*)|ERROR (?P<status>[45]\d\d): )", "wget: ", "ERROR "),
    rule("git", _INFRASTRUCTURE, Rank.REPORT, r"^fatal: unable to access '(?P<host>[^']+)'", "unable to access"),
    rule("git", _CONFIGURATION, Rank.TOOL,
        r"^remote: (?P<message>(?:error|fatal|ERROR|Permission|Invalid|Write access|Repository not found|"
        r"Support for password).*)", "remote: "),
    rule("git", _CONFIGURATION, Rank.TOOL,
        r"^(?:CONFLICT \([\w/-]+\): (?P<message>.+)| ! \[(?:remote )?rejected\]\s{1,40}(?P<symbol>.+))", "CONFLICT (",
        "rejected]"),
    rule("git", _CONFIGURATION, Rank.POSITION,
        r"^(?:fatal|error): (?P<message>(?:pathspec|could not read|not a git|couldn't find|refusing|No url|"
        r"ambiguous|bad revision|tag '|Authentication failed|repository '|Failed to|src refspec|the remote end|"
        r"early EOF|your current branch|reference is not|No such remote|Not possible|The current branch|"
        r"destination path|detected dubious|cannot ).*)", "fatal: ", "error: "),
    rule("network", _INFRASTRUCTURE, Rank.SYSTEM,
        r"(?i)(?P<code>connection (?:refused|reset|timed out|aborted|closed)|could not resolve host|"
        r"temporary failure in name resolution|name or service not known|no such host|ETIMEDOUT|ECONNRESET|"
        r"ECONNREFUSED|ENOTFOUND|EAI_AGAIN|socket hang up|TLS handshake timeout|i/o timeout|network is unreachable|"
        r"no route to host|read timed out|certificate (?:has expired|verify failed)|unexpected EOF|"
        r"Remote end closed|rate limit exceeded|too many requests|service unavailable|bad gateway|"
        r"gateway time-?out)(?:(?::| to| from| host| for| at)? (?P<host>[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}(?::\d{1,5"
        r"})?))?", "onnection", "ONNECTION", "resolve", "resolution", "not known", "such host", "ETIMEDOUT", "ECONN",
        "ENOTFOUND", "EAI_", "hang up", "imeout", "unreachable", "no route", "No route", "timed out", "ertificate",
        "EOF", "Remote end", "ate limit", "oo many requests", "navailable", "ateway"),
    rule("github", _INFRASTRUCTURE, Rank.TOOL,
        r"(?P<message>(?:API rate limit exceeded|You have exceeded a secondary rate limit|HttpError: (?P<code>.+)|"
        r"Resource not accessible by integration|Bad credentials|RequestError \[HttpError\]: .+).*)", "rate limit",
        "HttpError", "not accessible", "Bad credentials"),
    rule("system", _TIMEOUT, Rank.SYSTEM,
        r"(?i)\b(?P<message>(?:timed? ?out\b|deadline exceeded|returning 124|timeout (?:of|after|expired|"
        r"exceeded)).*)", "imed out", "ime out", "imeout", "TIMEOUT", "deadline", "returning 124", "IMED OUT"),
    # deployment and cloud
    rule("terraform", _CONFIGURATION, Rank.TOOL, r"^(?:[│╷] ?)?Error: (?P<message>\S.*)", "Error: ",
        requires=r"^[│╷╵]|[Tt]erraform"),
    rule("helm", _CONFIGURATION, Rank.TOOL,
        r"^Error: (?P<message>(?:UPGRADE FAILED|INSTALLATION FAILED|timed out waiting|failed post-install|"
        r"release \S+ failed|chart |template: |YAML parse|execution error|unable to build kubernetes|\d+ chart).*)",
        "Error: "),
    rule("kubectl", _INFRASTRUCTURE, Rank.TOOL,
        r"^(?:Error from server(?: \((?P<code>\w+)\))?|error: (?:timed out waiting|unable to recognize|"
        r"deployment \"|You must be logged in|no matching resources|exceeded its progress)|"
        r"The connection to the server (?P<host>\S+))", "Error from server", "error: ",
        "The connection to the server"),
    rule("aws", _CONFIGURATION, Rank.TOOL,
        r"^An error occurred \((?P<code>\w+)\)(?:.{0,40} when calling the (?P<symbol>\w+) operation)?",
        "An error occurred ("),
    rule("aws", _CONFIGURATION, Rank.TOOL,
        r"^(?:Error: |fatal error: )?(?P<message>(?:Unable to locate credentials|Credentials could not be loaded|"
        r"Could not assume role|Not authorized to perform).*)", "redentials", "assume role", "Not authorized"),
    rule("gcloud", _CONFIGURATION, Rank.TOOL, r"^ERROR: \((?P<symbol>gcloud[\w.-]*|gsutil)\) (?P<message>.+)",
        "ERROR: (g"),
    rule("ansible", _CONFIGURATION, Rank.TOOL,
        r"^fatal: \[(?P<host>[^\]]+)\]: (?:FAILED|UNREACHABLE)! => (?P<message>.+)", "fatal: ["),
    rule("system", _CONFIGURATION, Rank.POSITION,
        r"(?P<message>(?:Permission|permission) (?:denied|to \S+ denied).*)", "ermission "),
    # linters of configuration
    rule("shellcheck", _LINT, Rank.SOURCE, r"^In (?P<file>\S+) line \d+:$", "In "),
    rule("shellcheck", _LINT, Rank.SOURCE,
        r"^(?P<file>[^\s:]+):\d+:\d+: (?:error|warning|note|info): (?P<message>.+) \[(?P<code>SC\d{4})\]", "[SC"),
    rule("hadolint", _LINT, Rank.SOURCE, r"^(?P<file>[^\s:]++):\d+:? (?P<code>DL\d{4}|SC\d{4}) (?P<message>.+)", "DL",
        "SC"),
    rule("yamllint", _LINT, Rank.SOURCE,
        r"^(?P<file>[^\s:]+):\d+:\d+: \[error\] (?P<message>.+?)(?: \((?P<code>[\w-]+)\))?$", "[error]"),
    rule("yamllint", _LINT, Rank.SOURCE,
        r"^\s{1,8}\d+:\d+\s{1,8}error\s{1,8}(?P<message>\S.*) {1,4}\((?P<code>[\w-]{1,80})\)$", " error ",
        file_above=True),
    rule("ansible-lint", _LINT, Rank.SOURCE,
        r"^(?P<file>[^\s:]+\.ya?ml):\d+:(?:\d+:)? \[?(?P<code>E?\d{3,4}|[\w-]+(?:\[[\w-]+\])?)\]? (?P<message>.+)",
        ".yml:", ".yaml:", requires=r"(?i)ansible|^\S+\.ya?ml:\d+: \[E\d"),
    rule("ansible-lint", _LINT, Rank.SOURCE, r"^(?P<code>[a-z][\w-]+\[[\w -]+\]): (?P<message>\S.+)", "]: "),
    rule("actionlint", _LINT, Rank.SOURCE,
        r"^(?P<file>\.github/\S+\.ya?ml):\d+:\d+: (?P<message>.+?)(?: \[(?P<code>[\w-]+)\])?$", ".github/"),
    rule("typos", _LINT, Rank.SOURCE, r"^error: `(?P<symbol>[^`]+)` should be ", "should be"),
    rule("codespell", _LINT, Rank.SOURCE, r"^(?P<file>[^\s:]+):\d+: (?P<symbol>\S+) ==> ", " ==> "),
    rule("pre-commit", _LINT, Rank.REPORT, r"^(?P<symbol>\S.{0,100}?)\.{5,80}(?:\([^)]{0,60}\))?Failed$", "Failed"),
    rule("editorconfig", _LINT, Rank.SOURCE,
        r"^\s{1,40}\d+(?:-\d+)?: (?P<message>(?:Wrong|Trailing|No final|Line too|Expected).+)", ": ",
        file_above=True),
    rule("buf", _LINT, Rank.SOURCE, r"^(?P<file>[^\s:]+\.proto):\d+:\d+:(?P<message>.+)", ".proto:"),
    rule("dive", _LINT, Rank.TOOL, r"^\s{0,40}FAIL: (?P<code>\w+): (?P<message>.+)", "FAIL: "),
    rule("trivy", _LINT, Rank.POSITION, r"^Total: \d+ \(.*(?:CRITICAL|HIGH): [1-9]", "Total: "),
    rule("bats", CauseClass.TEST, Rank.TEST, r"^\s{0,40}✗ (?P<test>\S.*)", "✗"),
    rule("lychee", _LINT, Rank.SOURCE,
        r"^\s{0,40}\[(?P<status>[45]\d\d|ERR|ERROR|TIMEOUT)\] <?(?P<host>https?://[^\s>|]+)", "] "),
)  # fmt: skip

HEADINGS: tuple[Heading, ...] = (
    heading("helm", _CONFIGURATION, Rank.REPORT, r"^Error: (?:UPGRADE|INSTALLATION) FAILED:?\s{0,40}$",
        r"^\s{0,40}(?P<message>\S.*)"),
    heading("terraform", _CONFIGURATION, Rank.LISTED, r"^[│╷] Error:\s{0,40}$", r"^[│] (?P<message>\S.*)"),
    heading("aws", _CONFIGURATION, Rank.REPORT, r"^Resource handler returned message:",
        r"^\s{0,40}(?P<message>\S.*)"),
)  # fmt: skip
