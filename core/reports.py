"""What displays report, by REST and by socket alike: one schema each, so that the two doors cannot differ."""

from core.validation import Schema, choice, ident, moment, text

_PLAYING = {
    "itemId": ident(required=True),
    "mediaId": ident(required=True),
    "startedAt": moment(required=True),
}
HEARTBEAT: Schema = {
    "status": choice("online", "error"),
    "reason": text(0, 500, nullable=True),
    "appliedRevision": {"type": "string", "maxlength": 128, "nullable": True},
    "emergencyId": ident(nullable=True),
    "nowPlaying": {"type": "dict", "nullable": True, "schema": _PLAYING},
    "metrics": {
        "type": "dict",
        "maxlength": 50,
        "keysrules": {"type": "string", "minlength": 1, "maxlength": 64},
        "valuesrules": {"type": "number"},
    },
}
COMMAND_RESULT: Schema = {
    "ok": {"type": "boolean", "required": True},
    "result": {"type": "dict", "nullable": True},
}
