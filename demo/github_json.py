"""The account's objects as GitHub writes them."""

import base64
import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from demo.model import Attempt, Job, Repository, Run, Workflow
from demo.steps import steps
from demo.times import iso

_WEB = "https://github.com"


def time(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None


def node_id(prefix: str, number: int) -> str:
    return f"{prefix}_{base64.urlsafe_b64encode(b'kw' + number.to_bytes(9, 'big')).decode().rstrip('=')}"


@lru_cache(maxsize=256)
def account(login: str, base: str, *, organisation: bool = False) -> dict[str, Any]:
    kind = "Organization" if organisation else ("Bot" if login.endswith("[bot]") else "User")
    number = int.from_bytes(hashlib.sha256(login.encode()).digest()[:4], "big") // 25
    url = f"{base}/users/{login}"
    return {
        "login": login, "id": number, "node_id": node_id("U", number),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4", "gravatar_id": "", "url": url,
        "html_url": f"{_WEB}/{login}", "repos_url": f"{url}/repos", "events_url": f"{url}/events{{/privacy}}",
        "organizations_url": f"{url}/orgs", "type": kind, "user_view_type": "public", "site_admin": False,
    }  # fmt: skip


def repository(repo: Repository, base: str, *, full: bool = True) -> dict[str, Any]:
    owner, _, name = repo.full_name.partition("/")
    found: dict[str, Any] = {
        "id": repo.id, "node_id": node_id("R", repo.id), "name": name, "full_name": repo.full_name,
        "private": repo.private, "owner": account(owner, base, organisation=True),
        "html_url": f"{_WEB}/{repo.full_name}", "description": repo.description, "fork": False,
        "url": f"{base}/repos/{repo.full_name}",
    }  # fmt: skip
    if full:
        found |= {
            "default_branch": repo.default_branch, "archived": repo.archived, "disabled": False,
            "visibility": "private" if repo.private else "public", "language": repo.language, "topics": [],
            "created_at": time(repo.created), "updated_at": time(repo.created), "pushed_at": time(repo.created),
            "permissions": {"admin": False, "maintain": False, "push": False, "triage": False, "pull": True},
        }  # fmt: skip
    return found


def workflow(repo: Repository, flow: Workflow, base: str) -> dict[str, Any]:
    return {
        "id": flow.id,
        "node_id": node_id("W", flow.id),
        "name": flow.name,
        "path": flow.path,
        "state": flow.state,
        "created_at": time(repo.created),
        "updated_at": time(repo.created),
        "url": f"{base}/repos/{repo.full_name}/actions/workflows/{flow.id}",
        "html_url": f"{_WEB}/{repo.full_name}/blob/{repo.default_branch}/{flow.path}",
        "badge_url": f"{_WEB}/{repo.full_name}/workflows/{flow.name}/badge.svg",
    }


def run(found: Run, now: datetime, base: str, attempt: Attempt | None = None) -> dict[str, Any]:
    """The run with its latest attempt up to now, or one attempt of it as the attempt endpoint shows it."""
    shown = attempt or found.attempt_at(now)
    status = shown.status(now)
    repo = found.repository
    api = f"{base}/repos/{repo.full_name}"
    url, suite = f"{api}/actions/runs/{found.id}", found.id + 1
    own = repository(repo, base, full=False)
    # An attempt has a creation of its own, a second after it began.
    created = found.created if attempt is None or attempt.number == 1 else attempt.started + timedelta(seconds=1)
    answer: dict[str, Any] = {
        "id": found.id, "name": found.name or found.workflow.name, "node_id": node_id("WFR", found.id),
        "head_branch": found.branch, "head_sha": found.sha, "path": found.workflow.path,
        "display_title": found.title, "run_number": found.number, "event": found.event, "status": status,
        "conclusion": shown.conclusion if status == "completed" else None, "workflow_id": found.workflow.id,
        "check_suite_id": suite, "check_suite_node_id": node_id("CS", suite), "url": url,
        "html_url": f"{_WEB}/{repo.full_name}/actions/runs/{found.id}", "pull_requests": [],
        "created_at": time(created), "updated_at": time(shown.updated(now)),
        "actor": account(found.author, base) if found.author else None, "run_attempt": shown.number,
        "referenced_workflows": [], "run_started_at": time(shown.started),
        "triggering_actor": account(shown.actor, base) if shown.actor else None,
        "jobs_url": f"{url}/jobs", "logs_url": f"{url}/logs", "check_suite_url": f"{api}/check-suites/{suite}",
        "artifacts_url": f"{url}/artifacts", "cancel_url": f"{url}/cancel", "rerun_url": f"{url}/rerun",
        "previous_attempt_url": f"{url}/attempts/{shown.number - 1}" if shown.number > 1 else None,
        "workflow_url": f"{api}/actions/workflows/{found.workflow.id}", "head_commit": _commit(found),
        "repository": own, "head_repository": None if found.fork else own,
    }  # fmt: skip
    return answer | dict.fromkeys(found.nulls) if found.nulls else answer


def _commit(found: Run) -> dict[str, Any]:
    login = found.committer or found.author or "ghost"
    person = {"name": login.replace("-", " ").title(), "email": f"{login}@users.noreply.github.com"}
    return {
        "id": found.sha,
        "tree_id": found.sha[::-1],
        "message": found.message or found.title,
        "timestamp": time(found.created - timedelta(seconds=int(found.sha[:2], 16))),
        "author": person,
        "committer": person,
    }


def _page_of(found: Run, each: Job) -> str:
    repository = f"{_WEB}/{found.repository.full_name}"
    if each.phantom:
        return f"{repository}/runs/{each.id}"
    return f"{repository}/actions/runs/{found.id}/job/{each.id}"


def job(found: Run, attempt: Attempt, each: Job, now: datetime, base: str) -> dict[str, Any]:
    status = each.status(now)
    begun, over = status != "queued", status == "completed"
    taken = begun and each.ran
    own = each.label == "self-hosted"
    api = f"{base}/repos/{found.repository.full_name}"
    return {
        "id": each.id, "run_id": found.id, "workflow_name": found.workflow.name, "head_branch": found.branch,
        "run_url": f"{api}/actions/runs/{found.id}", "run_attempt": attempt.number, "node_id": node_id("CR", each.id),
        "head_sha": found.sha, "url": f"{api}/actions/jobs/{each.id}",
        "html_url": _page_of(found, each),
        "status": status, "conclusion": each.conclusion if over else None, "created_at": time(each.created),
        # A queued job carries a started_at as well.
        "started_at": time(each.started if begun else each.created),
        "completed_at": time(each.completed) if over else None,
        "name": each.name, "steps": steps(each, found.repository.language, now),
        "check_run_url": f"{api}/check-runs/{each.id}",
        "labels": [] if each.phantom else [each.label],
        "runner_id": (each.seed % 4096 + 1 if taken else 0) if not each.phantom else None,
        "runner_name": (each.runner if taken else "") if not each.phantom else None,
        "runner_group_id": (1 if own else 0) if taken else (None if each.phantom else 0),
        "runner_group_name": ("Default" if own else "GitHub Actions") if taken else (None if each.phantom else ""),
    }  # fmt: skip
