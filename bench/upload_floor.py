"""The floor of uploads: a bare Tornado handler that hashes what arrives, and keeps nothing of it."""

import asyncio
import hashlib
import json

from tornado.web import Application, RequestHandler, stream_request_body


@stream_request_body
class Hashing(RequestHandler):
    """Answers the SHA-256 of the whole body."""

    def prepare(self) -> None:
        self.hash = hashlib.sha256()
        self.request.connection.set_max_body_size(1 << 40)  # type: ignore[union-attr]

    def data_received(self, chunk: bytes) -> None:
        self.hash.update(chunk)

    def post(self) -> None:
        self.set_status(201)
        self.finish(json.dumps({"sha256": self.hash.hexdigest()}))


async def main() -> None:
    """Serve, and say on which port."""
    server = Application([("/", Hashing)]).listen(0, "127.0.0.1")
    print(next(iter(server._sockets.values())).getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
