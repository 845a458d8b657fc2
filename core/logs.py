"""Structured logs: one line an event on standard error, its name first, then what is known about it.

Lines inside a request carry its `request_id`, lines inside a job its `job` (structlog's context variables). Nobody
logs a secret on purpose; what slips through is blanked, by the name of its key and by what it looks like.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

import structlog

_SECRET_KEYS = ("password", "token", "secret", "authorization", "cookie", "pepper", "smtp_url", "cloudinary_url")
HIDDEN = "[hidden]"
# A JWT, the signature of an address, a bearer's token, and what stands before the @ of a URL: errors quote such.
_SECRET_LOOKS = re.compile(
    r"""eyJ[\w-]{8,}\.[\w-]+\.[\w-]+ | (?<=sig=)[\w-]+ | (?<=signature=)[\w-]+ | (?<=[Bb]earer\ )[\w.~+/=-]{12,}
    | (?<=://)[^\s/@"']+(?=@)""",
    re.VERBOSE,
)
_SECRET_SIGNS = ("eyJ", "sig=", "signature=", "earer ", "://")  # one of them is in or before all that looks so


def configure(log_format: str, level: str) -> None:
    """Set up structlog and the standard library's logging (Tornado, asyncio) to the same lines on stderr.

    `log_format` is `json`, one object a line, or `console`. Raises KeyError for an unknown level.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    ends: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    if log_format != "json":
        # Not structlog's richer tracebacks: they print local variables, and a password is one somewhere.
        plain = structlog.dev.plain_traceback
        ends = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    ends.append(blank_secrets)
    structlog.configure(
        processors=[*shared, *ends],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _configure_others([structlog.stdlib.add_logger_name, *shared], ends, threshold)


def _configure_others(first: list[Any], ends: list[Any], threshold: int) -> None:
    """Bring what libraries log to the same form."""
    handler = logging.StreamHandler(sys.stderr)
    processors = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ends]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=first, processors=processors))
    # Below INFO drivers tell each command with its contents.
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.INFO), force=True)
    # Tornado's access log is ours (handlers/gateway.py); its general log says "malformed request" at INFO.
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    logging.getLogger("tornado.general").setLevel(logging.WARNING)


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every value whose key sounds like a secret."""
    for key in event:
        if _sounds_secret(key):
            event[key] = HIDDEN
    return event


@lru_cache(1024)
def _sounds_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_KEYS)


def blank_secrets(_logger: Any, _method: str, line: str) -> str:
    """Blank what looks like a secret in a finished line, tracebacks and quoted addresses included."""
    if not any(sign in line for sign in _SECRET_SIGNS):
        return line  # as nearly all are: looking for the signs first takes 1 us, for the pattern 8
    return _SECRET_LOOKS.sub(HIDDEN, line)
