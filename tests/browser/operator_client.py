"""The operator's side over REST, in the shortest words: what a person does in the dashboard."""

import json
import time
import urllib.error
import urllib.request
import uuid

PASSWORD = "nine quiet llamas"
AWAY_AT_MOST = 60  # seconds: one hashing may take four, of which an answer has no more


class Refused(Exception):
    """The server answered with a problem."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class Operator:
    """One signed-in person and their first workspace."""

    def __init__(self, url):
        self.url = url
        self.token = None
        self.name = name = uuid.uuid4().hex[:10]
        account = {"email": f"{name}@example.org", "username": name, "password": PASSWORD}
        self.token = self.call("POST", "/api/auth/register", account)["accessToken"]
        self.workspace_id = self.call("GET", "/api/workspaces")["items"][0]["id"]

    def call(self, method, path, body=None, content_type="application/json"):
        """Make one call and return its JSON; raises Refused.

        Where a store was away for a moment, as on a machine that is busy, it is made again: once, by its key.
        """
        key, until = uuid.uuid4().hex, time.monotonic() + AWAY_AT_MOST
        while True:
            try:
                return self._call(method, path, body, content_type, key)
            except Refused as refused:
                if refused.status != 503 or time.monotonic() > until:
                    raise
                time.sleep(1)

    def _call(self, method, path, body, content_type, key):
        payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, payload, method=method)
        if payload is not None:
            request.add_header("Content-Type", content_type)
        if method == "POST":
            request.add_header("Idempotency-Key", key)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, error.read().decode()) from None
        return json.loads(text) if text else None

    def upload(self, path):
        """Upload a file and return the ready media."""
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
        body = head.encode() + path.read_bytes() + f"\r\n--{edge}--\r\n".encode()
        media = self.call("POST", "/api/media", body, f"multipart/form-data; boundary={edge}")
        return self.until(lambda: self._ready(media))

    def _ready(self, media):
        if media["status"] == "processing":
            media = self.call("GET", f"/api/media/{media['id']}")
        assert media["status"] != "failed", media
        return media if media["status"] == "ready" else None

    def playlist(self, *items):
        """Make a playlist of (media, fields) pairs or media."""
        return self.call("POST", "/api/playlists", {"name": "Lobby loop", "items": [entry(item) for item in items]})

    def put_items(self, playlist, *items):
        """Replace a playlist's items."""
        return self.call("PUT", f"/api/playlists/{playlist['id']}/items", {"items": [entry(item) for item in items]})

    def pair(self, code, name="Lobby", **fields):
        """Pair the screen that shows `code`."""
        return self.call("POST", "/api/screens/pair", {"code": code, "name": name, **fields})

    def screen(self, screen):
        """Read a screen afresh."""
        return self.call("GET", f"/api/screens/{screen['id']}")

    def command(self, screen, name, **args):
        """Send a command and wait for its end."""
        sent = self.call("POST", f"/api/screens/{screen['id']}/commands", {"name": name, "args": args})
        return self.until(lambda: self._finished(sent["id"]))

    def _finished(self, command_id):
        command = self.call("GET", f"/api/screens/commands/{command_id}")
        return command if command["state"] in ("done", "failed", "expired") else None

    def alarm(self, title, message, level="critical", expires_in=600, **fields):
        """Raise an emergency on every screen of the workspace."""
        body = {"workspaceId": self.workspace_id, "title": title, "message": message, "level": level}
        return self.call("POST", "/api/emergencies", body | {"expiresIn": expires_in} | fields)

    @staticmethod
    def until(look, seconds=60):
        """Return the first truthy result of `look`, which is called until `seconds` have passed."""
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < deadline, f"not within {seconds} s: {found!r}"
            time.sleep(0.2)


def entry(item):
    """Return a playlist item of media, or of (media, fields)."""
    media, fields = item if isinstance(item, tuple) else (item, {})
    return {"mediaId": media["id"], **fields}
