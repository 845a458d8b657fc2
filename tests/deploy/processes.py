"""`python server.py` as processes of their own, as an operator runs them."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import psutil

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "server.py"]


def run(environ, *words, told=""):
    """Run the command line to its end; return its exit status and what it said."""
    done = subprocess.run(
        [*COMMAND, *words], cwd=ROOT, env=environ, input=told, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def check(environ):
    """Run the command `check`; return its exit status and what it said.

    It asks each store once, with little patience: where the machine gave one no turn, it is run again.
    """
    until = time.monotonic() + 60
    while True:
        status, said = run(environ, "check")
        if not said.endswith(": away\n") or time.monotonic() > until:
            return status, said


class Server:
    """One process of the server on a data directory, from its first line on standard output on."""

    def __init__(self, data_dir, **settings):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MARQUEE_")}
        self.data_dir = data_dir
        self.environ = {**clean, "MARQUEE_DATA_DIR": str(data_dir), "MARQUEE_PORT": "0", **settings}
        self.process = subprocess.Popen(COMMAND, cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("Marquee is on http"), line
        self.url = line.split()[-1]
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def listens(self):
        """Tell whether it takes connections."""
        address = urlsplit(self.url)
        try:
            socket.create_connection((address.hostname, address.port), timeout=30).close()
        except ConnectionRefusedError:
            return False
        return True

    def run(self, *words, told=""):
        """Run a command beside this server, on its settings; return its exit status and what it said."""
        return run(self.environ, *words, told=told)

    def ask(self, path, body=None):
        """Return status and JSON of a GET, or of a POST of `body`.

        Where the machine was too busy for an answer in time it is asked again: once, by its key.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
        until = time.monotonic() + 60
        while True:
            answer = self._ask(path, body, headers)
            if answer[0] != 503 or time.monotonic() > until:
                return answer
            time.sleep(1)

    def _ask(self, path, body, headers):
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, json.dumps(body).encode() if body else None, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.loads(refused.read())

    def fetch(self, path):
        """Return the body of a GET."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return answer.read()

    def end(self, number):
        """End it by the signal `number` and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(60)
        self.process.stdout.close()
        return status
