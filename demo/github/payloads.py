"""JSON objects of the API and of webhooks. `base` is the URL of the API, `now` the time whose state is shown."""

import base64
import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from demo.world.model import Attempt, Job, Repository, Run, Team, Workflow
from demo.world.steps import step_intervals, step_number

_WEB = "https://github.com"
# The contents endpoint sends no larger file.
_MAX_CONTENT = 1_000_000
# What a team may do in a repository, each with the rights of those before.
_ROLES = ("read", "triage", "write", "maintain", "admin")


def timestamp(moment: datetime | None) -> str | None:
    return _iso(moment) if moment else None


def _node_id(prefix: str, number: int) -> str:
    return f"{prefix}_{base64.urlsafe_b64encode(b'kw' + number.to_bytes(9, 'big')).decode().rstrip('=')}"


@lru_cache(maxsize=256)
def account_json(login: str, base: str, *, organisation: bool = False) -> dict[str, Any]:
    kind = "Organization" if organisation else ("Bot" if login.endswith("[bot]") else "User")
    number = int.from_bytes(hashlib.sha256(login.encode()).digest()[:4], "big") // 25
    url = f"{base}/users/{login}"
    return {
        "login": login, "id": number, "node_id": _node_id("U", number),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4", "gravatar_id": "", "url": url,
        "html_url": f"{_WEB}/{login}", "repos_url": f"{url}/repos", "events_url": f"{url}/events{{/privacy}}",
        "organizations_url": f"{url}/orgs", "type": kind, "user_view_type": "public", "site_admin": False,
    }  # fmt: skip


def repository_json(repo: Repository, base: str, *, full: bool = True) -> dict[str, Any]:
    """Return the repository; with `full` false the short form that is part of a run."""
    owner, _, name = repo.full_name.partition("/")
    body: dict[str, Any] = {
        "id": repo.id, "node_id": _node_id("R", repo.id), "name": name, "full_name": repo.full_name,
        "private": repo.private, "owner": account_json(owner, base, organisation=True),
        "html_url": f"{_WEB}/{repo.full_name}", "description": repo.description, "fork": False,
        "url": f"{base}/repos/{repo.full_name}",
    }  # fmt: skip
    if full:
        body |= {
            "default_branch": repo.default_branch, "archived": repo.archived, "disabled": False,
            "visibility": "private" if repo.private else "public", "language": repo.language, "topics": [],
            "created_at": timestamp(repo.created), "updated_at": timestamp(repo.created),
            "pushed_at": timestamp(repo.created),
            "permissions": {"admin": False, "maintain": False, "push": False, "triage": False, "pull": True},
        }  # fmt: skip
    return body


def workflow_json(repo: Repository, workflow: Workflow, base: str) -> dict[str, Any]:
    return {
        "id": workflow.id,
        "node_id": _node_id("W", workflow.id),
        "name": workflow.name,
        "path": workflow.path,
        "state": workflow.state,
        "created_at": timestamp(repo.created),
        "updated_at": timestamp(repo.created),
        "url": f"{base}/repos/{repo.full_name}/actions/workflows/{workflow.id}",
        "html_url": f"{_WEB}/{repo.full_name}/blob/{repo.default_branch}/{workflow.path}",
        "badge_url": f"{_WEB}/{repo.full_name}/workflows/{workflow.name}/badge.svg",
    }


def run_json(run: Run, now: datetime, base: str, attempt: Attempt | None = None) -> dict[str, Any]:
    """Return the run with its latest attempt, or as the attempt endpoint shows it with the given attempt."""
    current = attempt or run.attempt_at(now)
    status = current.status(now)
    repo = run.repository
    api = f"{base}/repos/{repo.full_name}"
    url, suite = f"{api}/actions/runs/{run.id}", run.id + 1
    short = repository_json(repo, base, full=False)
    # GitHub shows for a later attempt a creation time of its own, a second after the start.
    created = run.created if attempt is None or attempt.number == 1 else attempt.started + timedelta(seconds=1)
    body: dict[str, Any] = {
        "id": run.id, "name": run.name or run.workflow.name, "node_id": _node_id("WFR", run.id),
        "head_branch": run.branch, "head_sha": run.sha, "path": run.workflow.path,
        "display_title": run.title, "run_number": run.number, "event": run.event, "status": status,
        "conclusion": current.conclusion if status == "completed" else None, "workflow_id": run.workflow.id,
        "check_suite_id": suite, "check_suite_node_id": _node_id("CS", suite), "url": url,
        "html_url": f"{_WEB}/{repo.full_name}/actions/runs/{run.id}", "pull_requests": [],
        "created_at": timestamp(created), "updated_at": timestamp(current.updated(now)),
        "actor": account_json(run.author, base) if run.author else None, "run_attempt": current.number,
        "referenced_workflows": [], "run_started_at": timestamp(current.started),
        "triggering_actor": account_json(current.actor, base) if current.actor else None,
        "jobs_url": f"{url}/jobs", "logs_url": f"{url}/logs", "check_suite_url": f"{api}/check-suites/{suite}",
        "artifacts_url": f"{url}/artifacts", "cancel_url": f"{url}/cancel", "rerun_url": f"{url}/rerun",
        "previous_attempt_url": f"{url}/attempts/{current.number - 1}" if current.number > 1 else None,
        "workflow_url": f"{api}/actions/workflows/{run.workflow.id}", "head_commit": _commit(run),
        "repository": short, "head_repository": None if run.fork else short,
    }  # fmt: skip
    return body | dict.fromkeys(run.nulls) if run.nulls else body


def _commit(run: Run) -> dict[str, Any]:
    login = run.committer or run.author or "ghost"
    person = {"name": login.replace("-", " ").title(), "email": f"{login}@users.noreply.github.com"}
    return {
        "id": run.sha,
        "tree_id": run.sha[::-1],
        "message": run.message or run.title,
        "timestamp": timestamp(run.created - timedelta(seconds=int(run.sha[:2], 16))),
        "author": person,
        "committer": person,
    }


def _job_page(run: Run, job: Job) -> str:
    repository = f"{_WEB}/{run.repository.full_name}"
    if job.phantom:
        return f"{repository}/runs/{job.id}"
    return f"{repository}/actions/runs/{run.id}/job/{job.id}"


def job_json(run: Run, attempt: Attempt, job: Job, now: datetime, base: str) -> dict[str, Any]:
    status = job.status(now)
    started, completed = status != "queued", status == "completed"
    on_runner = started and job.ran
    self_hosted = job.label == "self-hosted"
    group = "Default" if self_hosted else "GitHub Actions"
    api = f"{base}/repos/{run.repository.full_name}"
    return {
        "id": job.id, "run_id": run.id, "workflow_name": run.workflow.name, "head_branch": run.branch,
        "run_url": f"{api}/actions/runs/{run.id}", "run_attempt": attempt.number, "node_id": _node_id("CR", job.id),
        "head_sha": run.sha, "url": f"{api}/actions/jobs/{job.id}",
        "html_url": _job_page(run, job),
        "status": status, "conclusion": job.conclusion if completed else None, "created_at": timestamp(job.created),
        # GitHub sets started_at of a queued job to its creation.
        "started_at": timestamp(job.started if started else job.created),
        "completed_at": timestamp(job.completed) if completed else None,
        "name": job.name, "steps": _steps(job, run.repository.language, now),
        "check_run_url": f"{api}/check-runs/{job.id}",
        "labels": [] if job.phantom else [job.label],
        "runner_id": (job.seed % 4096 + 1 if on_runner else 0) if not job.phantom else None,
        "runner_name": (job.runner if on_runner else "") if not job.phantom else None,
        "runner_group_id": (1 if self_hosted else 0) if on_runner else (None if job.phantom else 0),
        "runner_group_name": group if on_runner else (None if job.phantom else ""),
    }  # fmt: skip


def annotation_json(message: str) -> dict[str, Any]:
    """Return the annotation that GitHub writes for a failed job."""
    return {
        "path": ".github", "start_line": 1, "start_column": None, "end_line": 1, "end_column": None,
        "annotation_level": "failure", "title": "", "message": message, "raw_details": "",
    }  # fmt: skip


def blob_sha(data: bytes) -> str:
    """Return git's id of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def content_json(repo: Repository, path: str, data: bytes, base: str) -> dict[str, Any]:
    """Return a file as the contents endpoint does: above 1 MB without its content."""
    url, sha = f"{base}/repos/{repo.full_name}/contents/{quote(path)}?ref={repo.default_branch}", blob_sha(data)
    is_sent = len(data) <= _MAX_CONTENT
    return {
        "name": path.rpartition("/")[2], "path": path, "sha": sha, "size": len(data), "type": "file", "url": url,
        "git_url": f"{base}/repos/{repo.full_name}/git/blobs/{sha}", "encoding": "base64" if is_sent else "none",
        "content": base64.encodebytes(data).decode() if is_sent else "",
        "html_url": f"{_WEB}/{repo.full_name}/blob/{repo.default_branch}/{path}",
    }  # fmt: skip


def blob_json(repo: Repository, data: bytes, base: str) -> dict[str, Any]:
    sha = blob_sha(data)
    return {
        "sha": sha, "size": len(data), "url": f"{base}/repos/{repo.full_name}/git/blobs/{sha}", "encoding": "base64",
        "content": base64.encodebytes(data).decode(),
    }  # fmt: skip


def team_json(organisation: str, team: Team, base: str) -> dict[str, Any]:
    url = f"{base}/organizations/{organisation}/team/{team.id}"
    return {
        "id": team.id, "node_id": _node_id("T", team.id), "slug": team.slug, "name": team.name, "parent": None,
        "description": team.description or None, "privacy": team.privacy, "permission": "pull", "url": url,
        "notification_setting": "notifications_enabled", "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos", "html_url": f"{_WEB}/orgs/{organisation}/teams/{team.slug}",
    }  # fmt: skip


def team_repository_json(repo: Repository, role: str, base: str) -> dict[str, Any]:
    """Return a repository with the permissions of a team."""
    rank = _ROLES.index(role)
    permissions = {name: rank >= at for at, name in enumerate(("pull", "triage", "push", "maintain", "admin"))}
    return repository_json(repo, base) | {"permissions": permissions, "role_name": role}


def _steps(job: Job, language: str, now: datetime) -> list[dict[str, Any]]:
    """Return the steps of a job; none before a runner has taken it."""
    if not job.ran or now < job.started:
        return []
    steps: list[dict[str, Any]] = []
    # A job without a planned end is shown as if it had a minute left.
    end = job.completed or max(now, job.started) + timedelta(minutes=1)
    failed = False
    for position, (step, step_begin, step_end) in enumerate(step_intervals(job, language, end), start=1):
        number = step_number(step, position)
        is_cleanup = number != position
        conclusion = "success"
        if step.main and job.conclusion not in ("success", "neutral", None):
            conclusion, failed = ("cancelled" if job.conclusion == "cancelled" else "failure"), True
        elif failed and not is_cleanup:
            conclusion = "skipped"
        completed, started = job.completed is not None and now >= step_end, now >= step_begin
        steps.append({
            "name": step.name, "status": "completed" if completed else ("in_progress" if started else "queued"),
            "conclusion": conclusion if completed else None, "number": number,
            "started_at": _iso(step_begin) if started else None, "completed_at": _iso(step_end) if completed else None,
        })  # fmt: skip
    return steps


def _iso(moment: datetime) -> str:
    """Return a UTC time in whole seconds. This is several times faster than strftime; a response has thousands."""
    return moment.isoformat()[:19] + "Z"
