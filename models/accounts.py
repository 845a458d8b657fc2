"""Getting in: registration, signing in, passwords, reset links, the change of an address."""

import asyncio
from datetime import timedelta

import structlog

from core.clock import ids_are_seeded, new_id
from core.errors import Conflict, Forbidden, Invalid, NotFound, Problem, RateLimited, Unauthenticated, Unavailable
from core.limits import client_of
from core.passwords import Passwords, refuse_weak
from core.permissions import Actor
from core.ports import Mailer
from core.tokens import digest, opaque
from models.access import Access
from models.base import Document, Duplicate, Ground, Session
from models.rooms import Rooms
from models.sessions import Sessions
from models.users import Users, fold, taken
from models.workspaces import Workspaces

log = structlog.get_logger("marquee.accounts")
RESET_LIFE = timedelta(minutes=30)


class Accounts:
    """Joins users, sessions and workspaces where a person comes in or changes how they do."""

    def __init__(
        self,
        ground: Ground,
        *,
        passwords: Passwords,
        access: Access,
        users: Users,
        sessions: Sessions,
        workspaces: Workspaces,
        rooms: Rooms,
        mailer: Mailer,
    ) -> None:
        self._ground = ground
        self._rooms = rooms
        self._passwords = passwords
        self._access = access
        self._users = users
        self._sessions = sessions
        self._workspaces = workspaces
        self._mailer = mailer
        self._docs = ground.collection("users")
        self._resets = ground.collection("resets")
        self._sending: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references

    async def register(self, email: str, password: str, username: str, *, device: str, ip: str) -> Document:
        """Make an account with its personal workspace and sign it in.

        Outside production the first account of an empty database becomes the server's admin: one, however
        many race. Raises Forbidden while registration is closed, Conflict for names in use, Invalid for a weak
        password.
        """
        if not self._ground.settings.registration_open:
            raise Forbidden(detail="Registration is closed on this server: ask an administrator for an account.")
        refuse_weak(password, email=email, username=username)
        user = self._users.new(email=email, username=username, password_hash=None)
        await self._refuse_taken(user)
        user["passwordHash"] = await self._passwords.hash(password)
        made = await self._create(user, first_is_admin=not self._ground.settings.production)
        return await self._sessions.open(self._users.dressed(made), device=device, ip=ip)

    async def _refuse_taken(self, user: Document) -> None:
        """Say at once what the unique indexes would say after a quarter of a second of hashing."""
        for code, field in (("email_taken", "emailFolded"), ("username_taken", "usernameFolded")):
            held = await self._docs.get({field: user[field]}, projection={"_id": 1})
            if held is not None and not (ids_are_seeded() and held["_id"] == user["_id"]):
                raise Conflict(code, "That address or name is taken.")

    async def _create(self, new: Document, *, first_is_admin: bool) -> Document:
        workspace_id = new_id()  # here, so that a repeat under one Idempotency-Key goes on with the same ids

        async def work(session: Session) -> Document:
            user = dict(new)  # the work may run again, and then not for the first account any more
            if first_is_admin and await self._docs.get({}, session=session, projection={"_id": 1}) is None:
                # Two first accounts at once both write this marker: one of them waits, and finds the other.
                await self._ground.collection("server").update(
                    {"_id": "admins"}, {"$inc": {"changes": 1}}, upsert=True, session=session
                )
                user["role"] = "admin"
            await self._docs.insert(user, session=session)
            await self._workspaces.make_personal(user, workspace_id, session=session)
            return user

        try:
            made = await self._ground.transaction(work)
        except Duplicate as e:
            earlier = await self._docs.get({"_id": new["_id"]}) if ids_are_seeded() else None
            if earlier is None:
                raise taken(e) from e
            made = earlier
        await self._enter_general(made["_id"])
        return made

    async def _enter_general(self, user_id: str) -> None:
        """Make a new account a member of the room for everybody: at its first look there, should this fail."""
        try:
            await self._rooms.enter_general(user_id)
        except Problem as e:
            log.warning("general.not_entered", user=user_id, error=e.code)

    async def create(self, email: str, username: str, role: str, *, by: Actor) -> Document:
        """Make an account without a password, for an admin; the answer carries the link to set one."""
        by.require_admin()
        user = self._users.new(email=email, username=username, password_hash=None, role=role)
        made = await self._create(user, first_is_admin=False)
        card = await self._users.get(made["_id"], by=by)
        return card | {"link": await self._reset_link(made)}

    async def create_admin(self, email: str, username: str, password: str) -> Document | None:
        """Make an admin from the command line, or make the account of that address one with this password.

        Such an account is enabled, and its sessions end; it is returned as it was before. Raises Conflict where its
        username is another, or a new account's is taken.
        """
        refuse_weak(password, email=email, username=username)
        held = await self._users.by_email(email)
        if held is None:
            hashed = await self._passwords.hash(password)
            user = self._users.new(email=email, username=username, password_hash=hashed, role="admin")
            await self._create(user, first_is_admin=False)
            return None
        if held["usernameFolded"] != fold(username):
            raise Conflict(detail=f"{email} has an account named {held['username']}: nothing was changed.")
        await self._set_password(held["_id"], password)  # first: the old one never opens an administrator's account
        await self._docs.update({"_id": held["_id"]}, {"$set": {"role": "admin", "disabled": False}})
        await self._sessions.end_all(held["_id"], "password")
        return held

    async def set_password(self, email: str, password: str) -> None:
        """Set the password of an address's account from the command line; its sessions end. Raises NotFound."""
        user = await self._users.by_email(email)
        if user is None:
            raise NotFound(detail=f"There is no account of {email}.")
        refuse_weak(password, email=user["email"], username=user["username"])
        await self._set_password(user["_id"], password)
        await self._sessions.end_all(user["_id"], "password")

    async def login(self, email: str, password: str, *, device: str, ip: str) -> Document:
        """Sign in. Unknown addresses and wrong passwords are refused alike, in the same time.

        Failures are counted before they happen and given back on success, so that guesses sent at once do not
        all pass the same check. Raises Unauthenticated("invalid_credentials"), Forbidden for a disabled account.
        """
        client = client_of(ip)
        keys = [("login", f"{fold(email)} {client}"), ("login-email", fold(email)), ("login-ip", client)]
        windows = [await self._ground.limits.count(policy, who) for policy, who in keys]
        if any(window.exceeded for window in windows):
            await self._give_back(keys)
            reset = max(w.reset for w in windows if w.exceeded)
            raise RateLimited(reset, "Too many failed sign-ins: wait a little.", policy="login")
        try:
            user = await self._users.by_email(email)
            right = await self._passwords.matches(password, user["passwordHash"] if user else None)
        except (Unavailable, asyncio.CancelledError):  # nobody learns whether it was right
            await asyncio.shield(self._give_back(keys))
            raise
        if user is None or not right:
            raise Unauthenticated("invalid_credentials", "The address or the password is wrong.")
        await self._give_back(keys)
        if user["disabled"]:
            raise Forbidden(detail="This account is disabled.")
        return await self._sessions.open(self._users.dressed(user), device=device, ip=ip)

    async def _give_back(self, keys: list[tuple[str, str]]) -> None:
        for policy, who in keys:
            await self._ground.limits.count(policy, who, -1)

    async def _confirm(self, password: str, by: Actor) -> Document:
        """Return the actor's document when `password` is theirs. Guesses count like failed sign-ins."""
        who = f"confirm {by.id}"
        window = await self._ground.limits.count("login", who)
        window.enforce()
        try:
            user = await self._docs.get({"_id": by.id})
            right = user is not None and await self._passwords.matches(password, user["passwordHash"])
        except (Unavailable, asyncio.CancelledError):
            await asyncio.shield(self._give_back([("login", who)]))
            raise
        if user is None or not right:
            raise Unauthenticated("invalid_credentials", "The current password is wrong.")
        await self._give_back([("login", who)])
        return user

    async def change_password(self, current: str, new: str, *, by: Actor) -> None:
        """Change the actor's password and end all other sessions."""
        by.require_user()
        user = await self._confirm(current, by)
        refuse_weak(new, email=user["email"], username=user["username"], path="newPassword")
        await self._set_password(user["_id"], new)
        await self._sessions.end_all(by.id, "password", but=by.session_id)

    async def _set_password(self, user_id: str, password: str) -> None:
        hashed = await self._passwords.hash(password)
        await self._docs.update({"_id": user_id}, {"$set": {"passwordHash": hashed}})
        await self._resets.delete_all({"userId": user_id})

    async def change_email(self, email: str, current: str, *, by: Actor) -> Document:
        """Change the actor's address. Raises Conflict("email_taken"), Unauthenticated for a wrong password."""
        by.require_user()
        await self._confirm(current, by)
        try:
            changed = await self._docs.edit(
                {"_id": by.id}, {"email": email, "emailFolded": fold(email)}, if_version=None
            )
        except Duplicate as e:
            raise taken(e) from e
        await self._resets.delete_all({"userId": by.id})  # links that went to the old address end with it
        return self._users.dressed(changed)

    def forget_password(self, email: str) -> None:
        """Send a reset link where the address has an account, in the background: the time it takes says nothing."""
        task = asyncio.create_task(self._send_reset(email))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send_reset(self, email: str) -> None:
        try:
            await self._mail_reset(email)
        except Problem as e:
            log.warning("reset.not_sent", error=e.code)

    async def _mail_reset(self, email: str) -> None:
        # Nobody's inbox may be filled by whoever knows the address.
        window = await self._ground.limits.count("login", f"forgot {fold(email)}")
        user = await self._users.by_email(email)
        if user is None or user["disabled"] or window.exceeded:
            return
        link = await self._reset_link(user)
        text = (
            f"Hello {user['displayName']},\n\nset a new password here within 30 minutes:\n\n{link['url']}\n\n"
            "If you did not ask for this, leave it be: nothing has changed.\n"
        )
        await self._mailer.send(user["email"], "Set a new password", text)

    async def reset_link(self, user_id: str, *, by: Actor) -> Document:
        """Return a link that an admin hands to a user. Raises NotFound."""
        by.require_admin()
        user = await self._users.by_id(user_id)
        if user is None:
            raise NotFound
        return await self._reset_link(user)

    async def _reset_link(self, user: Document) -> Document:
        token, ends = opaque(), self._ground.clock.now() + RESET_LIFE
        await self._resets.insert({"_id": digest(token), "userId": user["_id"], "expiresAt": ends})
        # The token stands behind a #, which browsers keep to themselves: it is in no log and no Referer.
        return {"url": f"{self._ground.settings.public_url or ''}/reset#token={token}", "expiresAt": ends}

    async def reset_password(self, token: str, new: str) -> None:
        """Set a new password by a link's token, once, and end all sessions. Raises Invalid."""
        query = {"_id": digest(token), "expiresAt": {"$gt": self._ground.clock.now()}}
        reset = await self._resets.get(query)
        user = await self._users.by_id(reset["userId"]) if reset else None
        if user is None:
            raise Invalid.field("token", "is wrong, used or expired")
        refuse_weak(new, email=user["email"], username=user["username"], path="newPassword")
        if await self._resets.take(query) is None:
            raise Invalid.field("token", "is wrong, used or expired")
        await self._set_password(user["_id"], new)
        await self._sessions.end_all(user["_id"], "reset")

    async def administer(self, user_id: str, changes: Document, *, by: Actor) -> Document:
        """Change a user's role or disable it; a disabled user's sessions end at once."""
        card = await self._users.administer(user_id, changes, by=by)
        if changes.get("disabled"):
            await self._sessions.end_all(user_id, "disabled")
        await self._access.changed(user_id)
        return card

    async def delete(self, user_id: str, *, by: Actor) -> None:
        """Delete an account: its sessions end, its memberships go, what it wrote stays.

        Of one that is deleted already, what a store that was away has left is taken away, before NotFound.
        """
        try:
            await self._users.delete(user_id, by=by)
        except NotFound:
            await self._take_away(user_id)
            raise
        await self._take_away(user_id)

    async def _take_away(self, user_id: str) -> None:
        """End what a deleted account still has; again is no error."""
        if await self._docs.get({"_id": user_id, "deletedAt": {"$ne": None}}, projection={"_id": 1}) is None:
            return
        await self._sessions.end_all(user_id, "deleted")
        await self._workspaces.leave_all(user_id)
        await self._rooms.vanish(user_id)
        await self._access.changed(user_id)
