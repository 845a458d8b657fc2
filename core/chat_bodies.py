"""What people send to rooms, by REST and by socket alike: one schema each, so that the two doors cannot differ."""

from core.resources import PRESENCE
from core.validation import Json, Schema, choice, ident, whole

CONTENT_LENGTH = 4000  # code points
MOST_ATTACHMENTS = 10
MOST_SUBSCRIBED = 100  # rooms in one frame
SEQ = whole(0, 2**53)
ROOM = ident(required=True)
# Blank content is refused by the store: white space is not all that shows nothing.
CONTENT: Json = {"type": "string", "maxlength": CONTENT_LENGTH}
CLIENT_ID: Json = {"type": "string", "minlength": 1, "maxlength": 64}
SEND: Schema = {
    "room": ROOM,
    "content": {**CONTENT, "default": ""},
    "clientId": CLIENT_ID,
    "replyTo": ident(),
    "attachments": {
        "type": "list",
        "maxlength": MOST_ATTACHMENTS,
        "check_with": "unique",
        "schema": ident(),
        "default": [],
    },
}
EDIT: Schema = {"content": {**CONTENT, "required": True}}
READ: Schema = {"seq": whole(0, 2**53, required=True)}

# Frames of the socket, beside what their REST twins take.
_MESSAGE: Schema = {"messageId": ident(required=True)}
ONE_ROOM: Schema = {"room": ROOM, "after": SEQ, "epoch": ident()}
SUBSCRIBE: Schema = {
    "rooms": {
        "type": "list",
        "minlength": 1,
        "maxlength": MOST_SUBSCRIBED,
        "required": True,
        "schema": {"type": "dict", "schema": ONE_ROOM},
    }
}
UNSUBSCRIBE: Schema = {"room": ROOM}
SEND_FRAME: Schema = {**SEND, "clientId": {**CLIENT_ID, "required": True}}
EDIT_FRAME: Schema = {**_MESSAGE, **EDIT}
DELETE_FRAME: Schema = _MESSAGE
REACTION_FRAME: Schema = {**_MESSAGE, "emoji": {"type": "string", "minlength": 1, "maxlength": 64, "required": True}}
TYPING_FRAME: Schema = {"room": ROOM, "on": {"type": "boolean", "required": True}}
READ_FRAME: Schema = {"room": ROOM, **READ}
PRESENCE_FRAME: Schema = {"status": choice(*PRESENCE, required=True)}
