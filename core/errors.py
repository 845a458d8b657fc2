"""Every way a call can be refused, as the contract's table of statuses and codes (RFC 9457).

Problem
|-- Malformed 400           |-- NotFound 404        |-- TooLarge 413
|-- Unauthenticated 401     |-- Conflict 409        |-- UnsupportedType 415
|-- Forbidden 403           |-- Gone 410            |-- Invalid 422
|-- VersionMismatch 412     |-- RateLimited 429     |-- Unavailable 503
`-- StorageFull 507
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ClassVar


class Problem(Exception):
    """A refusal with an HTTP status, a stable `code` for programs and a sentence for people."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal"
    default_detail: ClassVar[str] = "Something went wrong on our side."

    def __init__(self, code: str | None = None, detail: str | None = None, **extra: Any) -> None:
        """Keep `code` and `detail` (the class has defaults); `extra` joins the problem's own members."""
        self.code = code or self.default_code
        self.detail = detail or self.default_detail
        self.extra = extra
        super().__init__(f"{self.status} {self.code}: {self.detail}")

    @property
    def headers(self) -> dict[str, str]:
        """Headers that the contract asks for beside this problem."""
        return {}

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """Return the `application/problem+json` document."""
        document = {
            "type": "about:blank",
            "title": title(self.status),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.extra,
        }
        return document | {"requestId": request_id} if request_id else document

    def frame(self) -> dict[str, Any]:
        """Return the `error` member of a WebSocket reply."""
        return {"status": self.status, "code": self.code, "detail": self.detail, **self.extra}


def title(status: int) -> str:
    """Return the status's own phrase, by its present name (RFC 9110)."""
    renamed = {413: "Content Too Large", 422: "Unprocessable Content"}
    return renamed.get(status) or HTTPStatus(status).phrase


class Malformed(Problem):
    status, default_code, default_detail = 400, "malformed", "The request could not be read."


class Unauthenticated(Problem):
    status, default_code, default_detail = 401, "unauthenticated", "Sign in to do this."

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    status, default_code, default_detail = 403, "forbidden", "You may not do this."


class NotFound(Problem):
    status, default_code, default_detail = 404, "not_found", "There is no such thing here."


class MethodNotAllowed(Problem):
    status, default_code, default_detail = 405, "method_not_allowed", "This address does not take that method."

    def __init__(self, allowed: list[str]) -> None:
        super().__init__()
        self._allowed = ", ".join(allowed)

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": self._allowed}


class Conflict(Problem):
    status, default_code, default_detail = 409, "conflict", "This does not go with how things stand now."


class Gone(Problem):
    status, default_code, default_detail = 410, "gone", "This has expired."


class VersionMismatch(Problem):
    status, default_code, default_detail = 412, "version_mismatch", "Somebody changed this in the meantime."


class TooLarge(Problem):
    status, default_code, default_detail = 413, "too_large", "That is larger than this server takes."


class UnsupportedType(Problem):
    status, default_code, default_detail = 415, "unsupported_type", "This server does not take that kind of content."


class Invalid(Problem):
    """Input that was read and is wrong. `errors` is a list of `{"path", "message"}`."""

    status, default_code, default_detail = 422, "invalid", "Something in the request is wrong."

    @classmethod
    def field(cls, path: str, message: str) -> "Invalid":
        """Return the problem of one wrong field."""
        return cls(detail=f"{path}: {message}.", errors=[{"path": path, "message": message}])


class RateLimited(Problem):
    status, default_code, default_detail = 429, "rate_limited", "Too many requests: wait a little."

    def __init__(
        self,
        retry_after: float,
        detail: str | None = None,
        *,
        policy: str = "other",
        window: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Keep `retry_after` in seconds; the header rounds it up to whole ones. `window` has the RateLimit headers.

        `policy` is the name of the limit, for the metrics.
        """
        super().__init__(detail=detail)
        self.retry_after = max(retry_after, 0.001)
        self.policy = policy
        self.window = window

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(max(1, int(-(-self.retry_after // 1)))), **self.window}

    def frame(self) -> dict[str, Any]:
        return super().frame() | {"retryAfterMs": int(-(-self.retry_after * 1000 // 1))}


class Unavailable(Problem):
    """A store is away, or the outcome of a write is not known: the caller repeats it under the same key."""

    status, default_code, default_detail = 503, "unavailable", "A part of the server is away: try again in a moment."

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}


class StorageFull(Problem):
    status, default_code, default_detail = 507, "storage_full", "The server's storage is full."
