"""`server.py` whose processes take no turns on a busy room: for what the turns cost, and what they save."""

import sys

import server
from models import room_turns

room_turns.BUSY_SECONDS = -1.0

if __name__ == "__main__":
    sys.exit(server.main())
