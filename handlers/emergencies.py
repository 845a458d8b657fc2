"""`/api/emergencies`: messages that take over screens."""

from core.errors import Invalid
from core.resources import EMERGENCY, LEVELS
from core.validation import Json, choice, ident, text, whole
from handlers.base import ApiHandler, asked
from handlers.endpoint import WORKSPACE_FILTER, ListOf, endpoint, listing
from models.base import Document
from models.paging import Page

MOST_SCREENS = 500  # as many as any call names at once
START = {
    "workspaceId": ident(required=True),
    "title": text(1, 120, required=True),
    "message": text(0, 2000, required=True),
    "level": choice(*LEVELS, required=True),
    "mediaId": ident(nullable=True),
    "screenIds": {
        "type": "list",
        "minlength": 1,
        "maxlength": MOST_SCREENS,
        "check_with": "unique",
        "schema": ident(),
        "nullable": True,
    },
    "tag": text(1, 40, nullable=True),
    "expiresIn": whole(60, 86_400, required=True),
}
LISTING = listing(sort=("startedAt",), search=True, active={"type": "boolean"}, **WORKSPACE_FILTER)


class EmergenciesHandler(ApiHandler):
    """`/api/emergencies`."""

    @endpoint(needs="emergencies:read", query=LISTING, returns=ListOf(EMERGENCY), problems=(404,))
    async def get(self, query: Json) -> Page:
        """List emergencies, the newest first; `active=true` those in force."""
        return await self.stores.emergencies.list(
            asked(query), workspace_id=query.get("workspaceId"), active=query.get("active"), by=self.actor
        )

    @endpoint(
        needs="emergencies:write",
        body=START,
        returns=EMERGENCY,
        status=201,
        location="/api/emergencies/{id}",
        problems=(404,),
    )
    async def post(self, body: Json) -> Document:
        """Raise an emergency.

        It overrides every playlist on its targets: the screens of `screenIds`, those that have `tag` now or
        later, or all of the workspace. The highest level is shown first, then the newest.
        """
        if body.get("screenIds") is not None and body.get("tag") is not None:
            raise Invalid.field("tag", "cannot go with screenIds: name screens or a tag")
        return await self.stores.emergencies.start(
            body["workspaceId"],
            title=body["title"],
            message=body["message"],
            level=body["level"],
            expires_in=body["expiresIn"],
            media_id=body.get("mediaId"),
            screen_ids=body.get("screenIds"),
            tag=body.get("tag"),
            by=self.actor,
        )


class EmergencyHandler(ApiHandler):
    """`/api/emergencies/{id}`."""

    @endpoint(needs="emergencies:read", returns=EMERGENCY, problems=(404,))
    async def get(self, id: str) -> Document:
        """Return an emergency, with how many screens show it, are to show it and cannot be reached."""
        return await self.stores.emergencies.get(id, by=self.actor)

    @endpoint(needs="emergencies:write", problems=(404,))
    async def delete(self, id: str) -> None:
        """End an emergency; it stays readable."""
        await self.stores.emergencies.end(id, by=self.actor)


routes = [
    ("/api/emergencies", EmergenciesHandler),
    ("/api/emergencies/{id}", EmergencyHandler),
]
