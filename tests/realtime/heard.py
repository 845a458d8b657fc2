"""What a broker hands to its process, kept."""

import asyncio


class Heard:
    """The two callbacks of a broker, and patience."""

    def __init__(self, broker):
        self.broker = broker
        self.publications = []
        self.renewed = []
        self._news = asyncio.Event()

    def receive(self, channel, payload):
        self.publications.append((channel, payload))
        self._news.set()

    def renew(self, channels):
        self.renewed.extend(channels)
        self._news.set()

    async def until(self, holds, seconds=30):
        """Wait for `holds()`, looked at whenever something comes."""
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def count(self, number):
        await self.until(lambda: len(self.publications) >= number)
