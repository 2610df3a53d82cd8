"""The fields of GitHub's responses and webhook deliveries that are used, validated one item at a time. Pure.

Unknown values of a field are accepted as text, so that new ones of GitHub do not stop the collection.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from core.text import UNSTORABLE_CHARACTERS, clean

# Databases cannot store NUL and halves of surrogate pairs, which JSON can contain; terminals obey other control
# characters. Each is replaced rather than removed, so that no name turns into another one.
_CONTROL_CHARS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


Id = Annotated[int, Field(ge=0, lt=2**63)]
Int31 = Annotated[int, Field(ge=0, lt=2**31)]
# 0 and negative numbers mean "no runner"; an id that no column can hold is dropped.
RunnerId = Annotated[int | None, AfterValidator(lambda value: value if value and 0 < value < 2**63 else None)]
# GitHub's form has one field.
_MAX_FORM_FIELDS = 10


def _replace_control_chars(value: Any) -> Any:
    return _CONTROL_CHARS.sub("\ufffd", value) if isinstance(value, str) else value


def _strip_unstorable(value: Any) -> Any:
    return UNSTORABLE_CHARACTERS.sub("\ufffd", value) if isinstance(value, str) else value


def _limited(limit: int, clean: Callable[[Any], Any] = _replace_control_chars) -> WrapValidator:
    """Cuts a text before it is cleaned, because a hostile response can have a thousand texts of megabytes."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        return handler(clean(value[:limit] if isinstance(value, str) else value))[:limit]

    return WrapValidator(validate)


def _utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is outside of the calendar") from None


Text = Annotated[str, BeforeValidator(_replace_control_chars)]
# Values of columns of limited length are cut: one long value must not prevent other rows from being stored.
ShortText = Annotated[str, _limited(50)]
Event = Annotated[str, _limited(100)]
Login = Annotated[str, _limited(200)]
Sha = Annotated[str, _limited(64)]
Name = Annotated[str, _limited(300)]
Branch = Annotated[str, _limited(500)]
# No value of GitHub is nearly as long; longer ones are cut.
Line = Annotated[str, _limited(1_000)]
Url = Annotated[str, _limited(4_000)]
# Output of jobs: readers remove escape sequences.
LongText = Annotated[str, _limited(20_000, _strip_unstorable)]
Message = Annotated[str, _limited(20_000)]
Labels = Annotated[list[Line], AfterValidator(lambda value: value[:100])]
Time = Annotated[datetime, AfterValidator(_utc)]


class Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


class AccountPayload(Payload):
    login: Login | None = None


class CommitAuthorPayload(Payload):
    """The author of a commit; the e-mail address is not read."""

    name: Login | None = None


class HeadCommitPayload(Payload):
    message: Message | None = None
    author: CommitAuthorPayload | None = None


class RepositoryPayload(Payload):
    id: Id
    full_name: Name
    default_branch: Branch | None = None
    private: bool = False
    archived: bool = False
    html_url: Url = ""


class RepositoryReferencePayload(Payload):
    id: Id
    full_name: Name | None = None


class FilePayload(Payload):
    content: Text
    encoding: Text


class ContentPayload(Payload):
    """A file of a repository. Above 1 MB, `encoding` is "none" and `content` is empty. `type` is "file", "symlink" or
    "submodule"."""

    type: ShortText = "file"
    size: Id = 0
    sha: Sha = ""
    content: Text = ""
    encoding: ShortText = "none"


class TeamPayload(Payload):
    """`privacy` is "secret" for a team that only its members see."""

    name: Line
    slug: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
    description: Message | None = None
    privacy: ShortText = ""


class TeamPermissionsPayload(Payload):
    push: bool = False


class TeamRepositoryPayload(Payload):
    full_name: Name
    archived: bool = False
    permissions: TeamPermissionsPayload | None = None

    @property
    def can_write(self) -> bool:
        return self.permissions is not None and self.permissions.push


class WorkflowPayload(Payload):
    id: Id
    name: Line
    path: Url = ""
    state: ShortText = "active"


class RunPayload(Payload):
    """Also the response of the attempt endpoint, which has the same form."""

    id: Id
    workflow_id: Id
    name: Line | None = None
    path: Url | None = None
    display_title: Line | None = None
    run_number: Int31
    run_attempt: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    event: Event
    status: ShortText | None = None
    conclusion: ShortText | None = None
    head_branch: Text | None = None
    head_sha: Sha = ""
    actor: AccountPayload | None = None
    triggering_actor: AccountPayload | None = None
    head_commit: HeadCommitPayload | None = None
    created_at: Time
    updated_at: Time
    run_started_at: Time | None = None
    html_url: Url = ""
    head_repository: RepositoryReferencePayload | None = None
    repository: RepositoryReferencePayload | None = None


class StepPayload(Payload):
    number: int = 0
    name: Line = ""
    status: ShortText | None = None
    conclusion: ShortText | None = None
    started_at: Time | None = None
    completed_at: Time | None = None


class JobPayload(Payload):
    id: Id
    run_id: Id
    run_attempt: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    name: Line
    status: ShortText | None = None
    conclusion: ShortText | None = None
    created_at: Time | None = None
    started_at: Time | None = None
    completed_at: Time | None = None
    runner_name: Line | None = None
    runner_id: RunnerId = None
    runner_group_name: Line | None = None
    labels: Labels | None = None
    steps: list[StepPayload] | None = None
    html_url: Url | None = None


class AnnotationPayload(Payload):
    """`path` is `.github` where the annotation is of the runner and names no file."""

    path: Line | None = None
    start_line: Int31 | None = None
    annotation_level: Text | None = None
    message: LongText | None = None
    title: LongText | None = None


P = TypeVar("P", bound=Payload)


class InvalidPayload(Exception):
    """An item or a delivery does not have the documented form; the message is one line that states why."""

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


def parse_payload(model: type[P], item: Any) -> P:
    """The validated item. Raises InvalidPayload."""
    try:
        return model.model_validate(item)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the item"
        name = item.get("id", "without id") if isinstance(item, dict) else "that is not an object"
        kind = model.__name__.removesuffix("Payload").lower()
        raise InvalidPayload(clean(f"{kind} {clean(name, 40)}: {where}: {first['msg']}", 300)) from None


class IgnoredEvent(Exception):
    """The delivery is valid and has nothing to store; the message is one line that states why."""

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


class EventRepository(Payload):
    id: Id
    full_name: Text = ""


@dataclass(frozen=True)
class RunEvent:
    """`workflow`: null if the event has none."""

    repository: EventRepository
    run: RunPayload
    workflow: WorkflowPayload | None


@dataclass(frozen=True)
class JobEvent:
    repository: EventRepository
    job: JobPayload


def parse_event(event: str, body: bytes) -> RunEvent | JobEvent:
    """The parsed delivery. Raises InvalidPayload or IgnoredEvent."""
    if event not in ("workflow_run", "workflow_job"):
        raise IgnoredEvent(f"the event {event} is not used")
    data = _decode(body)
    subject = data.get(event)
    if subject is None:
        raise IgnoredEvent(f"{event} is null")
    try:
        repository = parse_payload(EventRepository, data.get("repository"))
    except InvalidPayload as error:
        raise InvalidPayload(f"repository: {error}") from None
    if event == "workflow_job":
        return JobEvent(repository, parse_payload(JobPayload, subject))
    return _run_event(repository, subject, data.get("workflow"))


def _run_event(repository: EventRepository, run_item: Any, workflow_item: Any) -> RunEvent:
    try:
        workflow = parse_payload(WorkflowPayload, workflow_item)
    except InvalidPayload:
        workflow = None
    if isinstance(run_item, dict):
        run_item = {**run_item, "repository": run_item.get("repository") or {"id": repository.id}}
        if workflow:
            # The run's own name is often empty here.
            for name, value in (("workflow_id", workflow.id), ("name", workflow.name), ("path", workflow.path)):
                run_item[name] = run_item.get(name) or value
    run = parse_payload(RunPayload, run_item)
    return RunEvent(repository, run, workflow if workflow and workflow.id == run.workflow_id else None)


def _decode(body: bytes) -> dict[str, Any]:
    """The JSON of a body: JSON, or a form with the JSON in its field `payload`. Raises InvalidPayload."""
    try:
        if not body.lstrip().startswith(b"{"):
            fields = parse_qs(body.decode("ascii"), max_num_fields=_MAX_FORM_FIELDS)
            body = fields.get("payload", [body.decode("ascii")])[0].encode("utf-8", "replace")
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidPayload(f"the body is not JSON: {str(error).splitlines()[0][:200]}") from None
    if not isinstance(data, dict):
        raise InvalidPayload("the body is JSON, but not an object")
    return data
