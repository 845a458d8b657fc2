"""What every broker guarantees: the memory one and the Redis one pass the same tests."""

import asyncio


async def settled(*heard):
    """Wait until whatever was published before is delivered: a marker comes after it on each broker."""
    for one in heard:
        await one.broker.subscribe("marker")
        before = sum(channel == "marker" for channel, _ in one.publications)
        one.broker.publish([("marker", b"")])
        await one.until(lambda one=one, n=before: sum(c == "marker" for c, _ in one.publications) > n)


def on(channel, heard):
    return [payload for name, payload in heard.publications if name == channel]


async def test_a_publication_reaches_every_subscribed_process_its_own_too(brokers):
    ours, theirs = brokers
    await ours.broker.subscribe("room:1")
    await theirs.broker.subscribe("room:1")

    ours.broker.publish([("room:1", b"hello\x00\xff")])
    await ours.count(1)
    await theirs.count(1)

    assert ours.publications == theirs.publications == [("room:1", b"hello\x00\xff")]


async def test_what_is_published_right_after_subscribing_arrives(brokers):
    ours, theirs = brokers
    for number in range(50):
        await ours.broker.subscribe(f"room:{number}")
        theirs.broker.publish([(f"room:{number}", b"x")])

    await ours.count(50)

    assert len(ours.publications) == 50


async def test_only_subscribed_channels_are_heard(brokers):
    ours, theirs = brokers
    await ours.broker.subscribe("room:1")
    await ours.broker.subscribe("room:2")
    ours.broker.unsubscribe("room:2")
    await settled(ours)

    theirs.broker.publish([("room:2", b"no"), ("room:3", b"no"), ("room:1", b"yes")])
    await ours.until(lambda: on("room:1", ours))
    await settled(theirs, ours)

    assert on("room:1", ours) == [b"yes"]
    assert on("room:2", ours) == on("room:3", ours) == []


async def test_one_publishers_order_is_everybodys_order(brokers):
    ours, theirs = brokers
    await ours.broker.subscribe("room:1")
    await theirs.broker.subscribe("room:1")

    for start in range(0, 2000, 10):
        theirs.broker.publish([("room:1", str(number).encode()) for number in range(start, start + 10)])
        if start % 500 == 0:
            await asyncio.sleep(0)
    await ours.count(2000)
    await theirs.count(2000)

    assert [int(payload) for payload in on("room:1", ours)] == list(range(2000))
    assert ours.publications == theirs.publications


async def test_two_publishers_are_heard_in_one_order_by_all(brokers):
    ours, theirs = brokers
    await ours.broker.subscribe("room:1")
    await theirs.broker.subscribe("room:1")

    for number in range(200):
        ours.broker.publish([("room:1", b"a%d" % number)])
        theirs.broker.publish([("room:1", b"b%d" % number)])
        await asyncio.sleep(0)
    await ours.count(400)
    await theirs.count(400)

    assert on("room:1", ours) == on("room:1", theirs)


async def test_subscribing_twice_delivers_once_and_unsubscribing_ends_it(brokers):
    ours, _ = brokers
    await asyncio.gather(ours.broker.subscribe("room:1"), ours.broker.subscribe("room:1"))
    ours.broker.publish([("room:1", b"once")])
    await ours.count(1)
    await settled(ours)

    ours.broker.unsubscribe("room:1")
    ours.broker.unsubscribe("room:1")
    await settled(ours)
    ours.broker.publish([("room:1", b"never")])
    await settled(ours)

    assert on("room:1", ours) == [b"once"]


async def test_publishing_returns_before_anybody_hears_it(brokers):
    ours, _ = brokers
    await ours.broker.subscribe("room:1")

    ours.broker.publish([("room:1", b"x")])

    assert ours.publications == []
    await ours.count(1)


async def test_a_stopped_broker_has_handed_on_what_it_accepted(brokers):
    ours, theirs = brokers
    await theirs.broker.subscribe("room:1")

    ours.broker.publish([("room:1", b"last words")])
    await ours.broker.stop()
    await theirs.count(1)
    await ours.broker.start(ours.receive, ours.renew)

    assert theirs.publications == [("room:1", b"last words")]
