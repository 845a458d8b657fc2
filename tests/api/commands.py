"""What tests of commands do again and again: giving one, and reporting as the screen that got it."""

ONE = "/api/screens/commands"
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100  # enough of one to be taken for a screenshot


async def order(api, person, screen_id, name="reload", **more):
    """Send a command; return it."""
    reply = await api.post(f"/api/screens/{screen_id}/commands", {"name": name, **more}, as_=person)
    assert reply.status == 202, reply.body
    return reply.json


async def read(api, person, command):
    """Return a command as the API shows it now."""
    return (await api.get(f"{ONE}/{command['id']}", as_=person)).json


async def accept(api, display, command):
    """Report, as the screen, that it has begun; return the reply."""
    return await api.post(f"/api/display/commands/{command['id']}/accept", as_=display.screen)


async def finish(api, display, command, **body):
    """Report, as the screen, how it ended; return the reply."""
    return await api.post(f"/api/display/commands/{command['id']}/result", body, as_=display.screen)


async def put_picture(api, display, command, content, **headers):
    """Hand in a screenshot; return the reply."""
    path = f"/api/display/commands/{command['id']}/screenshot"
    return await api.put(path, raw=content, as_=display.screen, headers=headers)


def stored_files(marquee):
    """Count the files that local storage keeps."""
    return sum(1 for path in (marquee.settings.data_dir / "media").rglob("*") if path.is_file())
