"""`server.py` with a bug planted: changes are announced before they are committed, and the commit takes its time."""

import asyncio
import sys
import time

import server
from models.room_batch import RoomTransaction
from models.room_log import RoomLog

SLOWLY_SECONDS = 1.0  # in which a reader who was told has looked, on a busy machine too
submit, write = RoomLog.submit, RoomTransaction.write
logs = {}  # of rooms, by what writes in their transactions, with the loop that they run in


async def submitted(log, room_id, change):
    logs[log._commits._transaction] = (log, asyncio.get_running_loop())
    return await submit(log, room_id, change)


def announce_and_write(transaction, states, session):
    """Write in the transaction, and tell everybody while it is still open. It may fail, or be killed, from here on."""
    write(transaction, states, session)
    log, loop = logs[transaction]
    for state in states:
        asyncio.run_coroutine_threadsafe(log._tell(state), loop).result()
    if states:
        time.sleep(SLOWLY_SECONDS)


RoomLog.submit, RoomTransaction.write = submitted, announce_and_write

if __name__ == "__main__":
    sys.exit(server.main())
