"""The order in which workers take the files: the longest first, so that none is left with one at the end.

xdist would begin with the files of the most tests; those that last longest have few. On one process all is as it was.
"""

import gc
from collections import Counter

import pytest

# From 80 to 15 seconds each. What waits stands beside what computes: together they leave no core idle for long.
LONGEST = (
    "tests/attacks/test_stores_under_load.py",
    "tests/contract/test_every_route.py",
    "tests/realtime/test_delivery_verifier.py",
    "tests/contract/test_matrix.py",
    "tests/browser/test_player.py",
    "tests/attacks/test_socket_attacks.py",
    "tests/api/test_room_rights.py",
    "tests/deploy/test_server.py",
    "tests/attacks/input/test_bodies.py",
    "tests/browser/test_chat_team.py",
    "tests/deploy/test_command_line.py",
    "tests/browser/test_player_trouble.py",
    "tests/attacks/test_store_outages.py",
    "tests/browser/test_chat.py",
    "tests/browser/test_first_screen.py",
    "tests/realtime/test_chat_people.py",
    "tests/browser/test_socket_client.py",
    "tests/api/test_room_members.py",
    "tests/deploy/test_embedded_end.py",
    "tests/realtime/test_chat_resume.py",
    "tests/jobs/test_without_redis.py",
    "tests/deploy/test_embedded.py",
    "tests/browser/test_chat_words.py",
    "tests/api/test_mongodb_away.py",
    "tests/attacks/test_end.py",
    "tests/attacks/input/test_upload_names.py",
)


def pytest_configure(config):
    if config.pluginmanager.hasplugin("xdist"):
        config.option.loadscopereorder = False  # the order below is the one that counts


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Put the longest files first, then those of the most tests; the tests of a file stay as they are."""
    if not hasattr(config, "workerinput"):
        return
    files = Counter(_file(item) for item in items)
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (places.get(_file(item), len(LONGEST)), -files[_file(item)]))


def pytest_collection_finish():
    """Let the collector of garbage leave alone what stays to the end anyway: looking through it takes 0.2 s a time."""
    gc.collect()
    gc.freeze()


def _file(item):
    return item.nodeid.partition("::")[0]
