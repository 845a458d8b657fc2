"""The commands beside the server: `create-admin`, `reset-password`, `restored`, `check`."""

import argparse
import getpass
import sys

from core.errors import Invalid
from core.settings import SettingsError
from core.validation import EMAIL, USERNAME, check
from models.base import Document
from models.health import Health
from models.stores import Stores


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser; without a command the server runs."""
    top = argparse.ArgumentParser(prog="server.py", description="Marquee: screens and the team that runs them.")
    commands = top.add_subparsers(dest="command", metavar="command", help="without one, the server runs")
    for name, about in {"create-admin": "make an administrator", "reset-password": "set somebody's password"}.items():
        sub = commands.add_parser(name, help=f"{about}; the password is asked for, or read from standard input")
        sub.add_argument("email")
        if name == "create-admin":
            sub.add_argument("username")
    commands.add_parser("restored", help="after MongoDB was restored: let clients load their rooms anew")
    commands.add_parser("check", help="check settings, stores and indexes")
    return top


async def run(asked: argparse.Namespace, stores: Stores, health: Health) -> str:
    """Run the command that was asked for and return the sentence that says what is now so."""
    if asked.command == "create-admin":
        check({"email": asked.email, "username": asked.username}, {"email": EMAIL, "username": USERNAME})
        return _admin_made(asked, await stores.accounts.create_admin(asked.email, asked.username, _password()))
    if asked.command == "reset-password":
        await stores.accounts.set_password(asked.email, _password())
        return f"The password of {asked.email} is set, and all its sessions have ended."
    if asked.command == "restored":
        return f"Rooms with another past from now on: {await stores.epochs.renew()}. Clients load them anew."
    _, checks = await health.ready()
    if set(checks.values()) != {"ok"}:
        raise SettingsError("; ".join(f"{name}: {state}" for name, state in checks.items()))
    return "Settings, stores and indexes are in order."


def _admin_made(asked: argparse.Namespace, before: Document | None) -> str:
    """Say all that create-admin did; `before` is the account that was there already."""
    if before is None:
        return f"{asked.email} is an administrator, with a new account named {asked.username}."
    how = "as before" if before["role"] == "admin" else "now"
    enabled = ", is enabled again" if before["disabled"] else ""
    return (
        f"{asked.email} is an administrator {how}: its account was there already, has the new password{enabled}, "
        "and all its sessions have ended."
    )


def _password() -> str:
    """Return the password: asked for twice on a terminal, where nobody sees a slip, else the first line that comes."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    try:
        password = getpass.getpass("Password: ")
        again = getpass.getpass("The same again: ")
    except EOFError as e:
        raise Invalid(detail="No password was given: nothing was changed.") from e
    if again != password:
        raise Invalid(detail="The two passwords differ: nothing was changed.")
    return password
