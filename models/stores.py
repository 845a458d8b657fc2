"""All stores, built once from one ground, in the order in which they rest on each other."""

from core.passwords import Passwords
from core.ports import Mailer, Presence
from core.tokens import Tokens
from models.access import Access
from models.accounts import Accounts
from models.base import Ground
from models.emergencies import Emergencies
from models.idempotency import Idempotency
from models.playlists import Playlists
from models.revisions import Revisions
from models.sessions import Sessions
from models.users import Users
from models.uses import Uses
from models.workspaces import Workspaces


class Stores:
    """One attribute a store. What the three edges call."""

    def __init__(
        self, ground: Ground, *, tokens: Tokens, passwords: Passwords, presence: Presence, mailer: Mailer
    ) -> None:
        self.idempotency = Idempotency(ground)
        self.access = Access(ground, tokens)
        self.users = Users(ground, presence)
        self.sessions = Sessions(ground, tokens, self.access, self.users)
        self.workspaces = Workspaces(ground, self.access, self.users)
        self.accounts = Accounts(
            ground,
            passwords=passwords,
            access=self.access,
            users=self.users,
            sessions=self.sessions,
            workspaces=self.workspaces,
            mailer=mailer,
        )
        self.revisions = Revisions(ground)
        self.playlists = Playlists(ground, self.workspaces, self.revisions)
        self.emergencies = Emergencies(ground, self.revisions)
        self.uses = Uses(ground, self.playlists, self.revisions)
        self.workspaces.contents = (self.playlists, self.emergencies)
