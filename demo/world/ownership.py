"""CODEOWNERS files and GitHub teams of the acme account. demo/teams.yaml has further teams."""

from demo.world.catalog import ORG
from demo.world.model import Team

# Files by repository and path. mobile-app and infra have none, and that of data-platform is not UTF-8.
CODEOWNERS: dict[tuple[str, str], bytes] = {
    ("web-app", ".github/CODEOWNERS"): b"""\
# The shop belongs to Storefront, its checks to others.
*                               @acme/storefront
/e2e/                           @acme/quality
/.github/workflows/codeql.yml   @acme/security
/docs/
""",
    ("api-gateway", "CODEOWNERS"): b"""\
*                                  @acme/gateway
**/contracts/                      @acme/integrations
/.github/workflows/release.yml     @acme/delivery @acme/gateway
""",
    ("payments", "docs/CODEOWNERS"): b"""\
*              @acme/payments
!/vendor/      @acme/payments
/ledger/**     @acme/ledger ledger@example.com
""",
    ("data-platform", ".github/CODEOWNERS"): "# Fragen an Jürgen\n* @acme/data\n".encode("latin-1"),
}

TEAMS = (
    Team(801, "storefront", "Storefront", "", {f"{ORG}/web-app": "maintain"}, ("amelie-roy", "bjornk", "chen-wei")),
    Team(
        802,
        "gateway",
        "Gateway",
        "Routing and authentication",
        {f"{ORG}/api-gateway": "admin"},
        ("dana-okafor", "elif-demir"),
    ),
    Team(
        803,
        "payments",
        "Payments",
        "",
        {f"{ORG}/payments": "maintain", f"{ORG}/infra": "read"},
        ("fjansen", "g-marchetti"),
    ),
    Team(
        804,
        "platform",
        "Platform",
        "Everything that runs, as code",
        {f"{ORG}/infra": "admin"},
        ("dana-okafor", "hana-sato"),
    ),
    Team(805, "data", "Data", "", {}, ("ivanpetrov",)),
    Team(
        806, "security", "Security", "", {f"{ORG}/{name}": "read" for name in ("web-app", "payments")}, ("g-marchetti",)
    ),
)
