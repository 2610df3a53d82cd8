"""Saved views of the dashboard."""

from fastapi import APIRouter, Depends, Request, Response

from api import schemas
from api.deps import SessionDep, reject_unknown_parameters
from api.response_cache import with_etag
from db.saved_views import list_views

router = APIRouter(prefix="/api", tags=["Saved views"], dependencies=[Depends(reject_unknown_parameters)])


@router.get("/views", operation_id="list_views", response_model=schemas.Views, summary="List saved views")
def views(request: Request, session: SessionDep) -> Response:
    """All saved views by name, at most 500. The dashboard saves and changes them."""
    return with_etag(request, schemas.Views(items=[schemas.View.from_row(row) for row in list_views(session)]))
