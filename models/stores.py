"""All stores, built once from one ground, in the order in which they rest on each other."""

from typing import Any

from core.passwords import Passwords
from core.ports import Mailer, Presence, Storage
from core.tokens import Tokens
from models.absences import Absences
from models.access import Access
from models.accounts import Accounts
from models.addresses import Addresses
from models.base import Ground
from models.beats import Beats
from models.blobs import Blobs
from models.commands import Commands
from models.emergencies import Emergencies
from models.epochs import Epochs
from models.files import Files
from models.fleet import Fleet
from models.general import General
from models.health_log import HealthLog
from models.idempotency import Idempotency
from models.intake import Intake
from models.large_uploads import LargeUploads
from models.leases import Leases
from models.manifests import Manifests
from models.media import Media
from models.message_views import MessageViews
from models.messages import Messages
from models.orphans import Orphans
from models.overview import Overview
from models.pairings import Pairings
from models.people import People
from models.playlists import Playlists
from models.processing import Processing
from models.quotas import Quotas
from models.revisions import Revisions
from models.room_feed import RoomFeed
from models.room_log import RoomLog
from models.room_news import RoomNews
from models.room_sweep import RoomSweep
from models.room_turns import Turns
from models.room_views import RoomViews
from models.rooms import Rooms
from models.screens import Screens
from models.sessions import Sessions
from models.statuses import Statuses
from models.storage.probe import Prober
from models.tickets import Tickets
from models.users import Users
from models.uses import Uses
from models.workspaces import Workspaces


class Stores:
    """One attribute a store. What the three edges call."""

    def __init__(
        self,
        ground: Ground,
        *,
        tokens: Tokens,
        passwords: Passwords,
        presence: Presence,
        mailer: Mailer,
        storage: Storage,
    ) -> None:
        self.idempotency = Idempotency(ground)
        self.health_log = HealthLog(ground)
        self.access = Access(ground, tokens)
        self.users = Users(ground, presence)
        self.sessions = Sessions(ground, tokens, self.access, self.users)
        self.workspaces = Workspaces(ground, self.access, self.users)
        self._make_chat(ground)
        self.accounts = Accounts(
            ground,
            passwords=passwords,
            access=self.access,
            users=self.users,
            sessions=self.sessions,
            workspaces=self.workspaces,
            rooms=self.rooms,
            mailer=mailer,
        )
        self.revisions = Revisions(ground)
        self.playlists = Playlists(ground, self.workspaces, self.revisions)
        self.emergencies = Emergencies(ground, self.revisions)
        self.uses = Uses(ground, self.playlists, self.revisions)
        self.blobs = Blobs(ground, storage)
        self._make_media(ground, storage)
        self._make_screens(ground, tokens, presence, storage)
        self.workspaces.contents = (self.screens, self.playlists, self.emergencies, self.media)

    async def stop(self) -> None:
        """End what goes on by itself."""
        self.room_news.stop()
        await self.room_log.stop()
        await self.processing.stop()

    def _make_chat(self, ground: Ground) -> None:
        people = self.people = People(ground)
        messages, rooms = MessageViews(ground, people), RoomViews(ground, people)
        news = self.room_news = RoomNews(ground, rooms)
        self.room_feed = RoomFeed(ground, messages)
        self.room_log = RoomLog(ground, Turns(ground), messages, news)
        self.general = General(ground, self.room_log)
        self.rooms = Rooms(ground, self.room_log, self.general, rooms, news)
        self.messages = Messages(ground, self.rooms, self.room_log, people, messages)
        self.room_sweep = RoomSweep(ground)
        self.epochs = Epochs(ground)

    def _make_media(self, ground: Ground, storage: Storage) -> None:
        blobs, prober, settings = self.blobs, Prober(), ground.settings
        quotas = Quotas(ground, settings.workspace_quota_bytes, "A workspace may have at most {quota} of media.")
        self.media = Media(
            ground, storage=storage, blobs=blobs, workspaces=self.workspaces, uses=self.uses, quotas=quotas
        )
        self.intake = Intake(ground, blobs=blobs, media=self.media, quotas=quotas, prober=prober)
        self.processing = Processing(ground, media=self.media, intake=self.intake, quotas=quotas)
        takes: dict[str, Any] = {
            "storage": storage,
            "media": self.media,
            "intake": self.intake,
            "processing": self.processing,
        }
        self.tickets = Tickets(ground, quotas=quotas, **takes)
        self.uploads = LargeUploads(ground, **takes)
        self.orphans = Orphans(ground, blobs, self.tickets, self.uploads)
        self.files = Files(
            ground,
            storage=storage,
            blobs=blobs,
            intake=self.intake,
            quotas=Quotas(ground, settings.user_quota_bytes, "You may have at most {quota} of files."),
            rooms=self.rooms,
            addresses=Addresses(ground),
        )

    def _make_screens(self, ground: Ground, tokens: Tokens, presence: Presence, storage: Storage) -> None:
        leases = Leases(ground.redis, ground.settings.redis_prefix)
        statuses = Statuses(ground)
        self.commands = Commands(ground, storage=storage, blobs=self.blobs)
        self.screens = Screens(
            ground,
            access=self.access,
            leases=leases,
            revisions=self.revisions,
            manifests=Manifests(ground, storage, self.revisions),
            commands=self.commands,
            statuses=statuses,
        )
        self.fleet = Fleet(ground, self.screens, self.commands)
        self.pairings = Pairings(
            ground,
            tokens=tokens,
            access=self.access,
            workspaces=self.workspaces,
            screens=self.screens,
            revisions=self.revisions,
        )
        self.beats = Beats(ground, leases, self.revisions, statuses)
        self.absences = Absences(ground, leases, statuses)
        self.overview = Overview(ground, presence)
