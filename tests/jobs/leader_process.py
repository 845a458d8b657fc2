"""A process that claims to lead, for tests that kill and freeze it: says every 20 ms whether it leads.

Redis is there all the while, and may take its time: who gives it up goes on alone.

python -m tests.jobs.leader_process <redis url> <prefix> <lease seconds> <renewal seconds>
"""

import asyncio
import sys
import time

from core import breaker, logs
from core.breaker import connect
from core.clock import Clock
from core.metrics import Metrics
from jobs import leader as rules
from jobs.leader import Leader

breaker.SOCKET_SECONDS = rules.ASK_SECONDS = 30.0


async def run(url, prefix, lease, renewal):
    logs.configure("console", "error")  # standard output is for what is said
    leader = Leader(connect(url), prefix, Clock(), Metrics(), lease_seconds=float(lease), renew_seconds=float(renewal))
    await leader.start()
    while True:
        print(time.monotonic(), "leads" if leader.leads else "follows", flush=True)
        await asyncio.sleep(0.02)


asyncio.run(run(*sys.argv[1:]))
