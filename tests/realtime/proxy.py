"""A TCP proxy before a store, that a test can cut: the way is broken, the store is not."""

import asyncio
from contextlib import suppress

from bench.ports import free_port


class Proxy:
    def __init__(self, port):
        self._target = port
        self.port = free_port()
        self._pairs = []

    async def start(self):
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)

    async def cut(self):
        """Refuse new connections and break those that are open."""
        self._server.close()
        for writer in self._pairs:
            writer.transport.abort()
        self._pairs.clear()
        await asyncio.sleep(0)

    async def mend(self):
        await self.start()

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
