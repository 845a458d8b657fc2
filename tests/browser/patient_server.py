"""`python server.py` that lets Redis answer as late as the machine lets it, as tests/conftest.py does for its servers.

For several processes on one Redis: one that seems away for a moment leaves each with its own people and news.
"""

import sys

import server
from core import breaker
from realtime import redis_broker, redis_wire

SECONDS = 30.0

if __name__ == "__main__":
    breaker.SOCKET_SECONDS = redis_broker.PUBLISH_SECONDS = SECONDS
    redis_broker.CONFIRM_SECONDS = redis_wire.CONNECT_SECONDS = SECONDS
    sys.exit(server.main())
