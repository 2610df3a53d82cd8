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
        r".{0,80}did not connect)|The (?:self-)?hosted runner(?:: .{1,100}?)? (?:encountered|lost communication)|"
        r"The job was not (?:acquired by|started because)|"
        r"Received request to deprovision|The remote provider was unable|"
        r"GitHub Actions has encountered an internal error|An error occurred while provisioning|"
        r"Runner .{1,80} did not respond).*)", "runner", "Runner", "The job was not", "deprovision",
        "remote provider", "GitHub Actions has", "provisioning"),
    rule("runner", _RESOURCES, Rank.RUNNER,
        r"^(?:(?:Unhandled exception\. )?System\.IO\.IOException: (?:No space left|There is not enough space)|"
        r"You are running out of disk space).*", "IOException", "running out of disk"),
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
        r"oom.?kill(?:ed|er)?|virtual memory exhausted|std::bad_alloc|ENOMEM\b|resource temporarily unavailable|"
        r"too many open files|\bEMFILE\b)", "pace left", "PACE LEFT", "ENOSPC", "quota exceeded", "allocate memory",
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
        r"(?:manifest for (?P<package>\S+) not found|pull access denied(?: for (?P<symbol>[^\s,]+)|, repository )|"
        r"manifest unknown|"
        r"repository (?P<host>\S+) not found|failed to resolve source metadata for (?P<file>[^\s:]+\S*): )",
        "manifest", "pull access denied", "repository ", "source metadata"),
    rule("docker", _INFRASTRUCTURE, Rank.TOOL,
        r"(?:^|: )(?P<message>(?:error during connect|Cannot connect to the Docker daemon|"
        r"net/http: TLS handshake timeout|Error response from daemon: .{0,300}(?:timeout|timed out|50[0234]|"
        r"connection re|no such host|EOF$)).*)", "daemon", "error during connect", "TLS handshake"),
    rule("docker", _CONFIGURATION, Rank.TOOL,
        r"(?:^|: )(?P<message>(?:failed to authorize|unauthorized: |denied: ).*)", "authorize", "unauthorized",
        "denied: "),
    rule("docker", CauseClass.UNKNOWN, Rank.TOOL, r"(?:^|: )(?P<message>Error response from daemon.*)", "daemon"),
    rule("docker", _CONFIGURATION, Rank.TOOL,
        r"^(?:ERROR: )?(?:failed to (?:build|solve): ){0,3}(?P<message>failed to read dockerfile: .+)",
        "failed to read dockerfile"),
    rule("docker", CauseClass.COMPILE, Rank.TOOL,
        r"^(?:ERROR: )?(?:failed to (?:build|solve): ){0,3}(?:dockerfile parse error|failed to (?:compute cache key|"
        r"calculate checksum|process)|.*: \"?(?P<file>/\S+?)\"?: not found$)", "dockerfile parse", "failed to ",
        ": not found"),
    rule("apt", _DEPENDENCY, Rank.TOOL,
        r"^E: (?:Unable to locate package (?P<package>\S+)|Package '(?P<symbol>[^']+)'|"
        r"Version '[^']+' for '(?P<code>[^']+)'|(?P<message>(?:Failed to fetch|The repository|Unable to (?:fetch|"
        r"correct)|Could not get lock|Sub-process|Couldn't|Malformed|Unmet|The package|You must|Release file|"
        r"Conflicting|Some ).*))", "E: "),
    rule("apt", _CONFIGURATION, Rank.TOOL, r"^Do you want to continue\? \[Y/n\] (?P<message>Abort\.)", "[Y/n] Abort"),
    rule("apk", _DEPENDENCY, Rank.TOOL,
        r"^\s{0,40}(?P<package>[\w.-]+) \(no such package\):|^ERROR: unable to select packages|"
        r"^(?:Error: )?(?:Unable to find a match|No match for argument): (?P<symbol>\S+)", "no such package",
        "unable to select", "Unable to find a match", "No match for"),
    rule("brew", _DEPENDENCY, Rank.TOOL,
        r"^Error: (?P<message>(?:No (?:available|formulae)|Failed to (?:download|install)|The `brew link`|"
        r"\S+: (?:no bottle|wrong number|Failed to)|Cannot install|It seems there).*)", "Error: "),
    rule("curl", _DEPENDENCY, Rank.TOOL,
        r"^(?:.{0,40} )?curl: \(22\) (?P<message>.*error: (?P<status>4(?!29|08)\d\d).*)", "curl: (22)"),
    rule("curl", _INFRASTRUCTURE, Rank.TOOL,
        r"^(?:.{0,40} )?curl: \((?P<code>\d+)\) (?P<message>.*?(?:error: (?P<status>\d{3})|host:? (?P<host>\S+))?)$",
        "curl: ("),
    rule("wget", _INFRASTRUCTURE, Rank.TOOL,
        r"^(?:\S+ \S+ )?(?:wget: (?P<message>(?:unable to resolve|can't connect|server returned|bad address|"
        r"download timed).*)|ERROR (?P<status>5\d\d|429|408): )", "wget: ", "ERROR "),
    rule("wget", _DEPENDENCY, Rank.TOOL, r"^(?:\S+ \S+ )?ERROR (?P<status>4\d\d): (?P<message>.+)", "ERROR 4"),
    rule("wget", _INFRASTRUCTURE, Rank.TOOL, r"^ERROR: (?P<message>(?:no certificate|cannot verify|certificate).*)",
        "ERROR: "),
    rule("git", _INFRASTRUCTURE, Rank.REPORT, r"^fatal: unable to access '(?P<host>[^']+)'", "unable to access"),
    rule("git", _CONFIGURATION, Rank.TOOL,
        r"^remote: (?P<message>(?:error|fatal|ERROR|Permission|Invalid|Write access|Repository not found|"
        r"Support for password).*)", "remote: "),
    rule("git", _CONFIGURATION, Rank.TOOL,
        r"^(?:CONFLICT \([\w/-]+\): (?P<message>.+)| ! \[(?:remote )?rejected\]\s{1,40}(?P<symbol>.+))", "CONFLICT (",
        "rejected]"),
    rule("git", _CONFIGURATION, Rank.TOOL,
        r"^(?P<message>ERROR: Repository not found\.?|Host key verification failed\.|"
        r"fatal: (?:empty ident name|unable to auto-detect email address).*)", "Repository not found", "Host key",
        "empty ident", "auto-detect email"),
    rule("git", _CONFIGURATION, Rank.POSITION,
        r"^(?:fatal|error): (?P<message>(?:pathspec|could not read|not a git|couldn't find|refusing|No url|"
        r"ambiguous|bad revision|tag '|Authentication failed|repository '|Failed to|src refspec|the remote end|"
        r"early EOF|your current branch|reference is not|No such remote|Not possible|The current branch|"
        r"destination path|detected dubious|cannot ).*)", "fatal: ", "error: "),
    # A service of the job itself that does not run.
    rule("network", CauseClass.UNKNOWN, Rank.SYSTEM,
        r"(?i)(?P<code>connection refused|ECONNREFUSED|connection reset|could not connect)\b.{0,200}"
        r"(?P<host>\blocalhost\b|\b127\.0\.0\.1\b|\b0\.0\.0\.0\b|(?<![\w:])::1\b)|"
        r"(?P<symbol>\blocalhost\b|\b127\.0\.0\.1\b).{0,200}(?:connection refused|refused to connect)", "efused",
        "REFUSED", "onnection", "ould not connect"),
    rule("network", _INFRASTRUCTURE, Rank.SYSTEM,
        r"(?i)(?P<code>connection (?:refused|reset|timed out|aborted|closed)|could not (?:resolve host|"
        r"(?:create connection|connect) to)|temporary failure in name resolution|name or service not known|"
        r"no such host|ETIMEDOUT|ECONNRESET|ECONNREFUSED|\bENOTFOUND|"
        r"EAI_AGAIN|socket hang up|TLS handshake timeout|"
        r"i/o timeout|network is unreachable|no route to host|read timed out|certificate (?:has expired|"
        r"verify failed)|unexpected EOF(?! while)|Remote end closed|rate limit exceeded|too many requests|"
        r"service unavailable|bad gateway|gateway time-?out)(?:(?::| to| from| host| for| at)? "
        r"(?P<host>[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}(?::\d{1,5})?))?", "onnection", "ONNECTION",
        "ould not connect", "resolve", "resolution", "not known", "such host", "ETIMEDOUT", "ECONN", "ENOTFOUND",
        "EAI_", "hang up", "imeout", "unreachable", "no route", "No route", "timed out", "ertificate", "EOF",
        "Remote end", "ate limit", "oo many requests", "navailable", "ateway"),
    rule("github", _CONFIGURATION, Rank.TOOL,
        r"(?P<message>(?:HttpError: )?(?:Resource not accessible by integration|Bad credentials).*)", "not accessible",
        "Bad credentials"),
    rule("github", _INFRASTRUCTURE, Rank.TOOL,
        r"(?P<message>(?:API rate limit exceeded|You have exceeded a secondary rate limit|"
        r"(?:HttpError|RequestError \[HttpError\]): .{0,40}(?:5\d\d|Server Error|Bad Gateway|unavailable|timeout)).*)",
        "rate limit", "HttpError"),
    rule("github", CauseClass.UNKNOWN, Rank.TOOL, r"(?P<message>(?:HttpError|RequestError \[HttpError\]): .+)",
        "HttpError"),
    rule("system", _TIMEOUT, Rank.SYSTEM,
        r"(?i)(?:\b(?P<message>(?:timed ?out\b|time out (?:after|while|waiting)|deadline exceeded|returning 124|"
        r"timeout (?:of (?=\d)|after|expired|exceeded|occurred|reached|waiting|while|\()).*)|"
        r"(?:^|[:\]!] |\b(?:connection|operation|request|gateway|lock wait|test) )(?P<code>time-?out)\b(?!:? \d|\.\w|"
        r" =|=)|(?<= )(?-i:TIMEOUT)$)", "imed out", "imedout", "ime out", "imeout", "ime-out", "TIMEOUT", "TIMED OUT",
        "deadline", "returning 124"),
    # deployment and cloud
    rule("terraform", _CONFIGURATION, Rank.TOOL, r"^(?:[│╷] ?)?Error: (?P<message>\S.*)", "Error: ",
        requires=r"^[│╷╵]|\bterraform (?:init|plan|apply|validate|fmt)\b|\bTerraform (?:used|will|has|v\d)"),
    rule("helm", _TIMEOUT, Rank.TOOL,
        r"^Error: (?P<message>(?:(?:UPGRADE|INSTALLATION) FAILED: )?(?:timed out waiting|context deadline|.{0,200}"
        r"Progress deadline exceeded).*)", "Error: "),
    rule("helm", _CONFIGURATION, Rank.TOOL,
        r"^Error: (?P<message>(?:UPGRADE FAILED|INSTALLATION FAILED|timed out waiting|failed post-install|"
        r"release \S+ failed|chart |template: |YAML parse|execution error|unable to build kubernetes|\d+ chart).*)",
        "Error: "),
    rule("kubectl", _TIMEOUT, Rank.TOOL,
        r"^error: (?P<message>(?:timed out waiting|deployment \".{1,200}\" exceeded its progress|"
        r"exceeded its progress).*)", "error: "),
    rule("kubectl", _INFRASTRUCTURE, Rank.TOOL,
        r"^(?:Error from server(?: \((?P<code>\w+)\))?|error: (?:unable to recognize|"
        r"You must be logged in|no matching resources)|"
        r"The connection to the server (?P<host>\S+))", "Error from server", "error: ",
        "The connection to the server"),
    rule("aws", _CONFIGURATION, Rank.TOOL,
        r"^(?:aws: \[ERROR\]: )?An error occurred \((?P<code>\w+)\)"
        r"(?:.{0,40} when calling the (?P<symbol>\w+) operation)?",
        "An error occurred ("),
    rule("aws", _CONFIGURATION, Rank.TOOL,
        r"^(?:Error: |fatal error: )?(?P<message>(?:Unable to locate credentials|Credentials could not be loaded|"
        r"Could not assume role|Not authorized to perform).*)", "redentials", "assume role", "Not authorized"),
    rule("gcloud", _CONFIGURATION, Rank.TOOL, r"^ERROR: \((?P<symbol>gcloud[\w.-]*|gsutil)\) (?P<message>.+)",
        "ERROR: (g"),
    rule("ansible", _INFRASTRUCTURE, Rank.TOOL, r"^fatal: \[(?P<host>[^\]]+)\]: UNREACHABLE! => (?P<message>.+)",
        "UNREACHABLE!"),
    rule("ansible", _TIMEOUT, Rank.TOOL,
        r"^fatal: \[(?P<host>[^\]]+)\]: FAILED! => (?P<message>.*\"msg\": \"Timeout when waiting.+)",
        "Timeout when waiting"),
    rule("ansible", _CONFIGURATION, Rank.TOOL, r"^fatal: \[(?P<host>[^\]]+)\]: FAILED! => (?P<message>.+)",
        "fatal: ["),
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
    rule("awesome_bot", _LINT, Rank.SOURCE,
        r"^\s{1,8}\d+\. (?:\[L\d+\] )?(?P<status>[45]\d\d) (?P<host>https?://\S+)", " http",
        requires=r"^> (?:Links|Checking links)"),
    rule("eclint", _LINT, Rank.SOURCE,
        r"^(?P<file>\S+\.\w+) failed (?P<code>[a-z_]+): (?P<message>found setting .+)", "found setting"),
    rule("size-limit", _LINT, Rank.TOOL, r"^\s{0,8}(?P<message>Package size limit has exceeded by .+)",
        "size limit has exceeded"),
    rule("lychee", _LINT, Rank.SOURCE,
        r"^\s{0,40}\[(?P<status>[45]\d\d|ERR|ERROR|TIMEOUT)\] <?(?P<host>https?://[^\s>|]+)", "] "),
)  # fmt: skip

HEADINGS: tuple[Heading, ...] = (
    heading("helm", _CONFIGURATION, Rank.REPORT, r"^Error: (?:UPGRADE|INSTALLATION) FAILED:?\s{0,40}$",
        r"^\s{0,40}(?P<message>\S.*)"),
    heading("tflint", _LINT, Rank.LISTED, r"^\d+ issue\(s\) found:$",
        r"^(?:Error|Warning|Notice): (?P<message>\S.+) \((?P<code>\w+)\)$"),
    heading("terraform", _CONFIGURATION, Rank.LISTED, r"^[│╷] Error:\s{0,40}$", r"^[│] (?P<message>\S.*)"),
    heading("wrangler", CauseClass.UNKNOWN, Rank.LISTED, r"^\s{0,8}✘ \[ERROR\] A request to the Cloudflare API ",
        r"^\s{2,8}(?P<message>\S.*)"),
    heading("aws", _CONFIGURATION, Rank.REPORT, r"^Resource handler returned message:",
        r"^\s{0,40}(?P<message>\S.*)"),
)  # fmt: skip
