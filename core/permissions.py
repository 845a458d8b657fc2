"""Who asks, and what they may do.

An `Actor` is the caller of every public read and write. Rights in a workspace follow from the role
that the actor has there; a workspace in which it has none does not exist for it (404).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from core.errors import Forbidden, NotFound, Unauthenticated

Kind = Literal["nobody", "user", "screen", "system"]

_READS = frozenset(
    {"workspaces:read", "screens:read", "media:read", "playlists:read", "emergencies:read", "members:read"}
)
_WRITES = frozenset({"screens:write", "screens:command", "media:write", "playlists:write", "emergencies:write"})
_OWNS = frozenset({"workspaces:write", "members:write", "workspaces:delete"})

GRANTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"viewer": _READS, "editor": _READS | _WRITES, "owner": _READS | _WRITES | _OWNS}
)
EVERY_GRANT = GRANTS["owner"]


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller: a person, a screen, the system itself, or nobody.

    `workspaces` maps workspace id to role. For a screen, `id` is the screen's and `workspaces` is empty.
    `expires_at` is when a person's access token ends (a screen's never does).
    """

    kind: Kind
    id: str = ""
    session_id: str = ""
    server_role: str = "user"
    workspaces: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    ip: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether this is a person who administers the server."""
        return self.kind == "user" and self.server_role == "admin"

    def can(self, grant: str, workspace_id: str) -> bool:
        """Tell whether `grant` holds in a workspace."""
        if self.kind == "system":
            return True
        return grant in GRANTS.get(self.workspaces.get(workspace_id, ""), frozenset())

    def require(self, grant: str, workspace_id: str) -> None:
        """Raise NotFound where the actor is no member, Forbidden where its role does not suffice."""
        if self.kind == "system":
            return
        if workspace_id not in self.workspaces:
            raise NotFound
        if not self.can(grant, workspace_id):
            raise Forbidden(detail=f"Your role in this workspace does not allow {grant}.")

    def scope(self, grant: str, workspace_id: str | None) -> dict[str, object]:
        """Return the query part that keeps a list to one workspace, or to all those where `grant` holds.

        Raises NotFound or Forbidden for a workspace that is named and not open to the actor.
        """
        if workspace_id is not None:
            self.require(grant, workspace_id)
            return {"workspaceId": workspace_id}
        return {"workspaceId": {"$in": sorted(w for w in self.workspaces if self.can(grant, w))}}

    def require_admin(self) -> None:
        """Raise Forbidden unless the actor administers the server."""
        if self.kind != "system" and not self.is_admin:
            raise Forbidden(detail="Only an administrator of this server may do this.")

    def require_user(self) -> None:
        """Raise Unauthenticated unless the actor is a person."""
        if self.kind not in {"user", "system"}:
            raise Unauthenticated


SYSTEM = Actor("system", id="system")
NOBODY = Actor("nobody")
