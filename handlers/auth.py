"""`/api/auth`: registration, signing in and out, refreshing, passwords."""

from typing import Any

from core import resources as r
from core.errors import Forbidden, Unauthenticated
from core.validation import EMAIL, USERNAME, Json, text
from handlers import headers
from handlers.base import ApiHandler, asked
from handlers.endpoint import Answer, ListOf, endpoint, listing

COOKIE = "marquee_refresh"
COOKIE_SECONDS = 90 * 86400  # as long as a family can live; the server decides when it really ends
# Lengths are judged with the password's own rules (core/passwords.py); here only absurd input is kept out.
PASSWORD = {"type": "string", "minlength": 1, "maxlength": 1024}
NEW_PASSWORD = PASSWORD | {
    "meta": {
        "told": {
            "minLength": 8,
            "maxLength": 128,
            "description": "8 to 128 characters, counted after Unicode normalisation (NFC); not one of the commonest, "
            "and without the account's own username or e-mail.",
        }
    }
}
TOKEN = {"type": "string", "minlength": 1, "maxlength": 512}
IN_COOKIE = {
    "type": "boolean",
    "meta": {
        "told": {
            "description": "Keep the refresh token in an HttpOnly cookie, and leave it out of the answer: for pages "
            "of this server."
        }
    },
}
REQUIRED = {"required": True}

REGISTER = {
    "email": EMAIL | REQUIRED,
    "password": NEW_PASSWORD | REQUIRED,
    "username": USERNAME | REQUIRED,
    "cookie": IN_COOKIE,
}
LOGIN = {"email": text(1, 254, required=True), "password": PASSWORD | REQUIRED, "cookie": IN_COOKIE}
REFRESH = {"refreshToken": TOKEN}
PASSWORDS = {"currentPassword": PASSWORD | REQUIRED, "newPassword": NEW_PASSWORD | REQUIRED}
FORGOT = {"email": text(1, 254, required=True)}
RESET = {"token": TOKEN | REQUIRED, "newPassword": NEW_PASSWORD | REQUIRED}
EMAIL_CHANGE = {"email": EMAIL | REQUIRED, "currentPassword": PASSWORD | REQUIRED}


class SessionHandler(ApiHandler):
    """What the calls that open, renew or end a session share: the device, and the refresh cookie."""

    @property
    def device(self) -> str:
        """What the list of sessions calls this device."""
        return self.request.headers.get("User-Agent", "")

    def signed_in(self, session: Json, *, cookie: bool) -> Answer:
        """Return the SESSION document; with `cookie` its refresh token goes into the cookie instead."""
        if not cookie:
            return Answer(session)
        shown = {name: value for name, value in session.items() if name != "refreshToken"}
        return Answer(shown, headers={"Set-Cookie": self.cookie(session["refreshToken"], COOKIE_SECONDS)})

    def cookie(self, value: str, seconds: int) -> str:
        """Return the refresh cookie; 0 seconds clear it."""
        parts = [f"{COOKIE}={value}", f"Max-Age={seconds}", "Path=/api/auth", "HttpOnly", "SameSite=Strict"]
        if self.edge.settings.https:
            parts.append("Secure")
        return "; ".join(parts)

    def cookie_token(self, *, strict: bool = True) -> str | None:
        """Return the refresh cookie, which counts only from our own pages: Forbidden elsewhere, None if not strict."""
        token = self.get_cookie(COOKIE)
        if not token:
            return None
        origin = self.request.headers.get("Origin", "")
        if headers.origin_is_known(origin, self.request.host, self.edge.settings):
            return token
        if strict:
            raise Forbidden(detail="The session cookie is only for this server's own pages.")
        return None


class RegisterHandler(SessionHandler):
    """`/api/auth/register`."""

    @endpoint(
        needs="nobody", body=REGISTER, returns=r.SESSION, status=201, location="/api/users/profile", problems=(403, 409)
    )
    async def post(self, body: Json) -> Any:
        """Register, and be signed in."""
        session = await self.stores.accounts.register(
            body["email"], body["password"], body["username"], device=self.device, ip=self.ip
        )
        return self.signed_in(session, cookie=body.get("cookie", False))


class LoginHandler(SessionHandler):
    """`/api/auth/login`."""

    @endpoint(needs="nobody", body=LOGIN, returns=r.SESSION, problems=(401, 403))
    async def post(self, body: Json) -> Any:
        """Sign in."""
        session = await self.stores.accounts.login(body["email"], body["password"], device=self.device, ip=self.ip)
        return self.signed_in(session, cookie=body.get("cookie", False))


class RefreshHandler(SessionHandler):
    """`/api/auth/refresh`."""

    @endpoint(
        needs="nobody", body=REFRESH, returns=r.SESSION, counted=False, idempotent=False, problems=(401, 403, 429)
    )
    async def post(self, body: Json) -> Any:
        """Get a new access token and a new refresh token.

        The old token is used up; for 10 seconds it returns the same successor again, later it ends the session.
        """
        given = body.get("refreshToken")
        token = given or self.cookie_token()
        if token is None:
            raise Unauthenticated(detail="There is no refresh token.")
        self.enforce(await self.edge.limits.count("user", f"session:{self.stores.sessions.family(token)}"))
        return self.signed_in(await self.stores.sessions.refresh(token), cookie=given is None)


class LogoutHandler(SessionHandler):
    """`/api/auth/logout`."""

    @endpoint(needs="nobody", body=REFRESH, idempotent=False, problems=(401, 403))
    async def post(self, body: Json) -> None:
        """End this session, as its access token or its refresh token names it."""
        signed_in = self.actor.kind == "user"
        token = body.get("refreshToken") or self.cookie_token(strict=not signed_in)
        if token is None and not signed_in:
            raise Unauthenticated
        if signed_in:
            await self.stores.sessions.end(self.actor.session_id, by=self.actor)
        if token is not None:
            await self.stores.sessions.end_family(token)
        self.set_header("Set-Cookie", self.cookie("", 0))


class LogoutAllHandler(SessionHandler):
    """`/api/auth/logout-all`."""

    @endpoint(needs="user")
    async def post(self) -> None:
        """End all of one's sessions."""
        await self.stores.sessions.end_all(self.actor.id, "logout")
        self.set_header("Set-Cookie", self.cookie("", 0))


class SessionsHandler(ApiHandler):
    """`/api/auth/sessions`."""

    @endpoint(needs="user", query=listing(), returns=ListOf(r.SESSION_ENTRY))
    async def get(self, query: Json) -> Any:
        """List one's own sessions, the latest used first."""
        return await self.stores.sessions.list(asked(query), by=self.actor)


class SessionEntryHandler(ApiHandler):
    """`/api/auth/sessions/{id}`."""

    @endpoint(needs="user", problems=(404,))
    async def delete(self, id: str) -> None:
        """End one of one's own sessions."""
        await self.stores.sessions.end(id, by=self.actor)


class PasswordHandler(ApiHandler):
    """`/api/auth/password`."""

    @endpoint(needs="user", body=PASSWORDS)
    async def post(self, body: Json) -> None:
        """Change one's password; all other sessions end."""
        await self.stores.accounts.change_password(body["currentPassword"], body["newPassword"], by=self.actor)


class ForgotHandler(ApiHandler):
    """`/api/auth/forgot`."""

    @endpoint(needs="nobody", body=FORGOT, status=202)
    async def post(self, body: Json) -> Answer:
        """Ask for a mail with a link to set a new password; the answer is the same for every address."""
        self.stores.accounts.forget_password(body["email"])
        return Answer(status=202)


class ResetHandler(ApiHandler):
    """`/api/auth/reset`."""

    @endpoint(needs="nobody", body=RESET)
    async def post(self, body: Json) -> None:
        """Set a new password by the token of a reset link, once; all sessions end."""
        await self.stores.accounts.reset_password(body["token"], body["newPassword"])


class EmailHandler(ApiHandler):
    """`/api/auth/email`."""

    @endpoint(needs="user", body=EMAIL_CHANGE, returns=r.USER, problems=(409,))
    async def post(self, body: Json) -> Any:
        """Change one's e-mail address."""
        return await self.stores.accounts.change_email(body["email"], body["currentPassword"], by=self.actor)


routes = [
    ("/api/auth/register", RegisterHandler),
    ("/api/auth/login", LoginHandler),
    ("/api/auth/refresh", RefreshHandler),
    ("/api/auth/logout", LogoutHandler),
    ("/api/auth/logout-all", LogoutAllHandler),
    ("/api/auth/sessions", SessionsHandler),
    ("/api/auth/sessions/{id}", SessionEntryHandler),
    ("/api/auth/password", PasswordHandler),
    ("/api/auth/forgot", ForgotHandler),
    ("/api/auth/reset", ResetHandler),
    ("/api/auth/email", EmailHandler),
]
