"""A TCP proxy before a store, that a test can cut: the way is broken, the store is not."""

import asyncio
from contextlib import suppress


class Proxy:
    def __init__(self, port):
        self._target = port
        self._pairs = []

    async def start(self, port=0):
        self._server = await asyncio.start_server(self._take, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self):
        """Refuse new connections and break those that are open."""
        self._server.close()
        for writer in self._pairs:
            writer.transport.abort()
        self._pairs.clear()
        await asyncio.sleep(0)

    async def mend(self):
        await self.start(self.port)

    async def _take(self, reader, writer):
        there, out = await asyncio.open_connection("127.0.0.1", self._target)
        self._pairs += [writer, out]
        await asyncio.gather(self._pump(reader, out), self._pump(there, writer))

    async def _pump(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
