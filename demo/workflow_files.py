"""The workflows' files, as GitHub's contents API shows them."""

import base64
import hashlib
from typing import Any
from urllib.parse import quote

from demo.github_json import node_id
from demo.model import Repository, Workflow
from demo.spec import WorkflowSpec


def text(spec: WorkflowSpec) -> str:
    """Enough of a file to be one. What turns live in the running demo has left its schedule."""
    events = [f"  {name}:" for name, _ in spec.events if name != "schedule"] or ["  workflow_dispatch:"]
    if spec.cron_hour is not None and not spec.live:
        events += ["  schedule:", f"    - cron: '0 {spec.cron_hour} * * *'"]
    jobs = [f"  {_key(job.name)}:\n    runs-on: {job.label}\n    steps: []" for job in spec.jobs]
    return "\n".join([f"name: {spec.name}", "on:", *events, "jobs:", *jobs, ""])


def shape(repo: Repository, workflow: Workflow, content: str, base: str) -> dict[str, Any]:
    data = content.encode()
    sha = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    url = f"{base}/repos/{repo.full_name}/contents/{quote(workflow.path)}?ref={repo.default_branch}"
    return {
        "name": workflow.file, "path": workflow.path, "sha": sha, "size": len(data), "type": "file", "url": url,
        "node_id": node_id("B", workflow.id), "encoding": "base64", "content": base64.encodebytes(data).decode(),
        "html_url": f"https://github.com/{repo.full_name}/blob/{repo.default_branch}/{workflow.path}",
    }  # fmt: skip


def _key(name: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in name.lower()).strip("-")
