"""Who people are, for the many places that show an author: read in batches, remembered for seconds."""

from collections.abc import Iterable, Mapping

from models.addresses import Addresses
from models.base import Document, Ground

REMEMBER_SECONDS = 5.0  # a changed name may show this late in what others read
_MOST = 20_000
DELETED = {"username": "deleted", "displayName": "Deleted user", "avatarFileId": None, "role": "user"}


class People:
    """Cards of users (`AUTHOR`), by id."""

    def __init__(self, ground: Ground) -> None:
        self._clock = ground.clock
        self._addresses = Addresses(ground)
        self._users = ground.collection("users")
        self._known: dict[str, tuple[Document, float]] = {}

    async def cards(self, user_ids: Iterable[str]) -> Mapping[str, Document]:
        """Return a card for each id; one without an account is a deleted user."""
        now = self._clock.monotonic()
        wanted = set(user_ids)
        missing = [one for one in wanted if self._known.get(one, ({}, 0.0))[1] <= now]
        if missing:
            await self._read(missing, now)
        return {one: self._known[one][0] for one in wanted}

    async def by_username(self, folded: Iterable[str]) -> Mapping[str, str]:
        """Return the ids of accounts by case-folded username; unknown names are not in it."""
        names = list(set(folded))
        if not names:
            return {}
        query = {"usernameFolded": {"$in": names}, "deletedAt": None}
        found = await self._users.find(query, projection={"usernameFolded": 1})
        return {user["usernameFolded"]: user["_id"] for user in found}

    async def _read(self, user_ids: list[str], now: float) -> None:
        if len(self._known) > _MOST:
            self._known.clear()
        fields = {"username": 1, "displayName": 1, "avatarFileId": 1, "deletedAt": 1, "role": 1}
        found = {u["_id"]: u for u in await self._users.find({"_id": {"$in": user_ids}}, projection=fields)}
        for one in user_ids:
            user = found.get(one)
            names = DELETED if user is None or user["deletedAt"] else user
            card = {
                "id": one,
                "username": names["username"],
                "displayName": names["displayName"],
                "avatarUrl": self._addresses.avatar(names),
                "isAdmin": names["role"] == "admin",  # not shown: it makes an owner of `general`
            }
            self._known[one] = (card, now + REMEMBER_SECONDS)
