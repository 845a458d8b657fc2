"""Signals to our own processes that have had their effect when the call returns."""

import os
import signal
import subprocess
from typing import Any


def send(process: subprocess.Popen[Any], number: int) -> None:
    """Send a signal. One that stops or kills has done so on return.

    A program of several threads may answer for a while after SIGSTOP was sent: until the thread that the signal was
    given to has its turn, the others know nothing of it.
    """
    process.send_signal(number)
    if number == signal.SIGSTOP and process.poll() is None:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    elif number == signal.SIGKILL:
        process.wait()
