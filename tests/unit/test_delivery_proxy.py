"""Where a reply of Redis ends, for the proxy that loses and delays whole messages."""

import pytest

from bench.delivery_proxy import reply_end

MESSAGE = b">3\r\n$7\r\nmessage\r\n$6\r\nroom:1\r\n$4\r\na\r\nb\r\n"
REPLIES = [
    b"+OK\r\n",
    b":42\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"$0\r\n\r\n",
    b"*2\r\n:1\r\n*1\r\n$2\r\nab\r\n",
    b"%1\r\n+proto\r\n:3\r\n",
    MESSAGE,
]


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_ends_where_the_next_one_begins(reply):
    assert reply_end(b"+before\r\n" + reply + b"+next\r\n", 9) == 9 + len(reply)


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_that_is_not_all_there_has_no_end(reply):
    assert {reply_end(reply[:cut], 0) for cut in range(1, len(reply))} == {None}
