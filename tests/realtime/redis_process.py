"""A redis-server that a test may kill, freeze and start again, empty, on the same port."""

import shutil
import signal
import socket
import subprocess
import time

from bench import signals
from bench.ports import free_port


class RedisProcess:
    def __init__(self, directory):
        self._directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process = None
        self.start()

    def start(self):
        command = [shutil.which("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(command, cwd=self._directory, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(7) == b"+PONG\r\n":
                        return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def freeze(self):
        signals.send(self._process, signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def thaw_if_alive(self):
        if self._process is not None:
            self.thaw()

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
