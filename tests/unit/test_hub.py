import pytest

from core.metrics import Metrics
from realtime.hub import Hub
from realtime.outbox import Outbox, Writer


class Ear(Outbox):
    """An outbox without a socket: it keeps what it takes, and can refuse or leave while it is being told."""

    def __init__(self, takes=True, on_push=None):
        super().__init__(Writer(), None)
        self.heard = []
        self.takes = takes
        self.on_push = on_push

    def push(self, frame, ephemeral=False):
        if self.on_push is not None:
            self.on_push()
        if self.takes:
            self.heard.append((frame, ephemeral))
        return self.takes


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def hub(metrics):
    return Hub(metrics)


def added(hub, *channels, **options):
    ear = Ear(**options)
    hub.add(ear)
    for channel in channels:
        hub.subscribe(ear, channel)
    return ear


def test_the_first_and_the_last_subscriber_of_a_channel_are_told_apart(hub):
    first, second = added(hub), added(hub)

    assert hub.subscribe(first, "a") is True
    assert hub.subscribe(first, "a") is False
    assert hub.subscribe(second, "a") is False
    assert hub.unsubscribe(first, "a") is False
    assert hub.unsubscribe(first, "a") is False
    assert hub.has("a")
    assert hub.unsubscribe(second, "a") is True
    assert not hub.has("a")


def test_a_broadcast_reaches_the_channel_only_and_counts_who_took_it(hub, metrics):
    one, other, elsewhere, deaf = added(hub, "a"), added(hub, "a", "b"), added(hub, "b"), added(hub, "a", takes=False)

    assert hub.broadcast("a", b"1") == 2
    assert hub.broadcast("b", b"2", ephemeral=True) == 2
    assert hub.broadcast("nobody", b"3") == 0

    assert one.heard == [(b"1", False)]
    assert other.heard == [(b"1", False), (b"2", True)]
    assert elsewhere.heard == [(b"2", True)]
    assert deaf.heard == []
    assert metrics.deliveries._value.get() == 4


def test_removing_a_connection_names_the_channels_that_nobody_hears_any_more(hub):
    leaving, staying = added(hub, "a", "b", "c"), added(hub, "b")

    assert sorted(hub.remove(leaving)) == ["a", "c"]
    assert hub.remove(leaving) == []
    assert hub.broadcast("b", b"x") == 1
    assert list(hub) == [staying]
    assert len(hub) == 1


def test_a_removed_connection_cannot_subscribe_again(hub):
    gone = added(hub)
    hub.remove(gone)

    assert hub.subscribe(gone, "a") is False
    assert not hub.has("a")


def test_connections_that_leave_during_a_broadcast_do_not_disturb_it(hub):
    ears = []

    def leave():
        for ear in ears[::2]:
            hub.remove(ear)

    ears += [added(hub, "a", on_push=leave) for _ in range(20)]

    assert hub.broadcast("a", b"x") == 20
    assert hub.broadcast("a", b"y") == 10
