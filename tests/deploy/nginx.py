"""A real nginx on the configuration of deploy/nginx, with nothing changed but addresses and places of files."""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.ports import free_port
from tests.promptness import PATIENCE

FOLDER = Path(__file__).parents[2] / "deploy" / "nginx"


@dataclass
class Answer:
    """What came back over a connection of its own."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Nginx:
    """nginx from `start` to `stop`, listening on `port` of loopback, in front of the processes on `upstreams`."""

    def __init__(self, prefix, upstreams, *, certificate=False):
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is None:
            pytest.skip("there is no nginx here: `make test` as root installs it")
        self.port = free_port()
        self.tls = self_signed(prefix) if certificate else None
        render(prefix, self.port, upstreams, tls=certificate)
        self.command = [program, "-p", str(prefix), "-c", "nginx.conf", "-e", str(prefix / "error.log")]
        self.prefix = prefix

    def check(self):
        """Return what `nginx -t` says: an empty string when it has nothing against the configuration."""
        done = subprocess.run(
            [*self.command, "-t", "-q"], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        return done.stderr if done.returncode or done.stderr.strip() else ""

    def start(self):
        self.process = subprocess.Popen([*self.command, "-g", "daemon off;"])
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self.process.poll() is None, (self.prefix / "error.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def ask(self, method, path, body=None, headers=None):
        """Send one request over a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        if self.tls is not None:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=self.tls)
        try:
            connection.request(method, path, body, headers or {})
            return read(connection.getresponse())
        finally:
            connection.close()

    def say(self, raw):
        """Send bytes as they are, and read the answer to them."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(raw)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return read(answer)


def read(response):
    return Answer(response.status, response.headers, response.read())


def render(prefix, port, upstreams, *, tls):
    """Copy the configuration to `prefix` and put this machine's addresses and writable places in."""
    shutil.copytree(FOLDER, prefix, dirs_exist_ok=True)
    main = (prefix / "nginx.conf").read_text()
    if os.geteuid() == 0:  # else the workers are www-data, which may not write under root's temporary directory
        main = f"user root;\n{main}"
    main = re.sub(r"(?m)^(worker_processes) .*;", r"\1 1;", main)
    main = re.sub(r"(?m)^(worker_rlimit_nofile|\s+worker_connections) .*;.*", "", main)
    main = main.replace("/run/nginx.pid", str(prefix / "nginx.pid")).replace("/var/log/nginx", str(prefix))
    (prefix / "nginx.conf").write_text(main)
    site = (prefix / "marquee.conf").read_text().replace("/var/log/nginx", str(prefix))
    (prefix / "marquee.conf").write_text(site)
    servers = [f"server 127.0.0.1:{each} max_fails=3 fail_timeout=2s;" for each in upstreams]
    (prefix / "marquee" / "upstream.conf").write_text("\n".join(servers))
    places = [f"{kind}_temp_path {prefix}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    listen = [f"listen 127.0.0.1:{port} default_server;", "server_name _;"]
    if tls:  # the sample at the end of listen.conf, with its comment signs taken off
        sample = (FOLDER / "marquee" / "listen.conf").read_text().partition("\n# listen 443 ")
        listen = re.sub(r"(?m)^# ", "", "# listen 443 " + sample[2]).splitlines()
        listen = [line.replace("443", f"127.0.0.1:{port}") for line in listen if "[::]" not in line]
        listen = [re.sub(r"/etc/\S*/", f"{prefix}/", line) for line in listen]
    (prefix / "marquee" / "listen.conf").write_text("\n".join([*listen, *places]))
    (prefix / "marquee" / "origins.conf").write_text('"https://app.example.com" $http_origin;')


def self_signed(prefix):
    """Write a certificate for `localhost` and its key to `prefix`; return a context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (prefix / "fullchain.pem").write_bytes(certificate.public_bytes(pem))
    (prefix / "privkey.pem").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return ssl.create_default_context(cafile=prefix / "fullchain.pem")
