"""The account's objects as GitHub writes them."""

from datetime import datetime
from typing import Any

from demo.logs import steps
from demo.model import Attempt, Job, Repository, Run, Workflow


def time(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None


def person(login: str | None) -> dict[str, Any] | None:
    if login is None:
        return None
    kind = "Bot" if login.endswith("[bot]") else "User"
    number = sum(map(ord, login)) * 7919
    return {"login": login, "id": number, "node_id": f"U_{number}", "type": kind, "site_admin": False}


def repository(repo: Repository, base: str, *, full: bool = True) -> dict[str, Any]:
    owner, _, name = repo.full_name.partition("/")
    found: dict[str, Any] = {
        "id": repo.id,
        "node_id": f"R_{repo.id}",
        "name": name,
        "full_name": repo.full_name,
        "private": repo.private,
        "owner": {**(person(owner) or {}), "type": "Organization"},
        "html_url": f"https://github.com/{repo.full_name}",
        "description": None,
        "fork": False,
        "url": f"{base}/repos/{repo.full_name}",
    }
    if full:
        found |= {
            "default_branch": repo.default_branch,
            "archived": repo.archived,
            "disabled": False,
            "visibility": "private" if repo.private else "public",
            "language": repo.language,
            "created_at": time(repo.created),
            "updated_at": time(repo.created),
            "pushed_at": time(repo.created),
        }
    return found


def workflow(repo: Repository, flow: Workflow, base: str) -> dict[str, Any]:
    return {
        "id": flow.id,
        "node_id": f"W_{flow.id}",
        "name": flow.name,
        "path": flow.path,
        "state": flow.state,
        "created_at": time(repo.created),
        "updated_at": time(repo.created),
        "url": f"{base}/repos/{repo.full_name}/actions/workflows/{flow.id}",
        "html_url": f"https://github.com/{repo.full_name}/blob/main/{flow.path}",
        "badge_url": f"https://github.com/{repo.full_name}/workflows/{flow.name}/badge.svg",
    }


def run(found: Run, now: datetime, base: str, attempt: Attempt | None = None) -> dict[str, Any]:
    """The run with its latest attempt up to now, or one attempt of it as the attempt endpoint shows it."""
    shown = attempt or found.attempt_at(now)
    status = shown.status(now)
    repo, url = found.repository, f"{base}/repos/{found.repository.full_name}/actions/runs/{found.id}"
    own = repository(repo, base, full=False)
    return {
        "id": found.id,
        "name": found.name or found.workflow.name,
        "node_id": f"WFR_{found.id}",
        "head_branch": found.branch,
        "head_sha": found.sha,
        "path": found.workflow.path,
        "display_title": found.title,
        "run_number": found.number,
        "event": found.event,
        "status": status,
        "conclusion": shown.conclusion if status == "completed" else None,
        "workflow_id": found.workflow.id,
        "check_suite_id": found.id + 1,
        "url": url,
        "html_url": f"https://github.com/{repo.full_name}/actions/runs/{found.id}",
        "pull_requests": [],
        "created_at": time(found.created if attempt is None or attempt.number == 1 else attempt.started),
        "updated_at": time(shown.updated(now)),
        "actor": person(found.author),
        "run_attempt": shown.number,
        "referenced_workflows": [],
        "run_started_at": time(shown.started),
        "triggering_actor": person(shown.actor),
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "previous_attempt_url": f"{url}/attempts/{shown.number - 1}" if shown.number > 1 else None,
        "workflow_url": f"{base}/repos/{repo.full_name}/actions/workflows/{found.workflow.id}",
        "head_commit": {
            "id": found.sha,
            "message": found.title,
            "timestamp": time(found.created),
            "author": {"name": found.author, "email": f"{found.author}@acme.example"},
        },
        "repository": own,
        "head_repository": None if found.fork else own,
    }


def job(found: Run, attempt: Attempt, each: Job, now: datetime, base: str) -> dict[str, Any]:
    status = each.status(now)
    begun, over = status != "queued", status == "completed"
    url = f"{base}/repos/{found.repository.full_name}/actions/jobs/{each.id}"
    return {
        "id": each.id,
        "run_id": found.id,
        "workflow_name": found.workflow.name,
        "head_branch": found.branch,
        "run_url": f"{base}/repos/{found.repository.full_name}/actions/runs/{found.id}",
        "run_attempt": attempt.number,
        "node_id": f"CR_{each.id}",
        "head_sha": found.sha,
        "url": url,
        "html_url": f"https://github.com/{found.repository.full_name}/actions/runs/{found.id}/job/{each.id}",
        "status": status,
        "conclusion": each.conclusion if over else None,
        "created_at": time(each.created),
        # A queued job carries a started_at as well.
        "started_at": time(each.started if begun else each.created),
        "completed_at": time(each.completed) if over else None,
        "name": each.name,
        "steps": steps(each, now),
        "check_run_url": f"{base}/repos/{found.repository.full_name}/check-runs/{each.id}",
        "labels": [] if each.phantom else [each.label],
        "runner_id": 0 if each.phantom or not begun else each.seed % 4096 + 1,
        "runner_name": (each.runner or "") if begun else "",
        "runner_group_id": 0,
        "runner_group_name": "" if each.phantom or not begun else "GitHub Actions",
    }
