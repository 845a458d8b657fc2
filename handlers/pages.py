"""The pages under `/`: plain files of `web/`, with a policy that lets them load only what is ours."""

from pathlib import Path
from typing import ClassVar

from tornado import web

from core.errors import NotFound
from handlers.base import BaseHandler

WEB = Path(__file__).parent.parent / "web"


class PageHandler(BaseHandler, web.StaticFileHandler):
    """One folder of static files. Names that no file has are a 404, whatever characters they carry."""

    page = True
    # Scripts and styles may change with every release: browsers ask each time, and get a 304.
    CACHE: ClassVar[str] = "no-cache"

    def initialize(self, **given: object) -> None:  # type: ignore[override]
        """Take the edge and the route, and the folder as Tornado's handler wants it."""
        folder = given.pop("folder")
        self.index = str(given.pop("index", "index.html"))
        BaseHandler.initialize(self, **given)  # type: ignore[arg-type]
        web.StaticFileHandler.initialize(self, path=str(WEB / str(folder)), default_filename=self.index)

    def allowed_methods(self) -> list[str]:
        """Return what the Allow header lists here."""
        return ["GET", "HEAD", "OPTIONS"]

    async def get(self, path: str = "", include_body: bool = True) -> None:
        """Serve the file, or the folder's index."""
        if "\x00" in path or "\\" in path or ".." in path:
            raise NotFound
        await super().get(path or self.index, include_body)

    async def head(self, path: str = "") -> None:
        """Serve the file's headers."""
        await self.get(path, include_body=False)

    async def options(self, path: str = "") -> None:
        """Answer what methods there are."""
        self.set_header("Allow", ", ".join(self.allowed_methods()))
        self.set_status(204)

    def compute_etag(self) -> str | None:  # type: ignore[override]
        """Tag files by their content, as StaticFileHandler does."""
        return web.StaticFileHandler.compute_etag(self)

    def check_etag_header(self) -> bool:
        """Compare tags as Tornado does."""
        return web.RequestHandler.check_etag_header(self)

    def set_extra_headers(self, path: str) -> None:
        """Let the player's service worker, which lies under /player/, look after the whole site."""
        self.set_header("Cache-Control", self.CACHE)
        if self.absolute_path is not None and self.absolute_path.endswith("player/sw.js"):
            self.set_header("Service-Worker-Allowed", "/")


def routes() -> list[tuple[str, type[web.RequestHandler], dict[str, str]]]:
    """Return pattern, handler and, of every page, its folder and the `route` that logs and metrics call it by."""
    found: list[tuple[str, type[web.RequestHandler], dict[str, str]]] = [
        (rf"/{folder}/(.+)", PageHandler, {"route": f"/{folder}/{{file}}", "folder": folder})
        for folder in ("player", "shared", "dashboard", "chat", "docs")
    ]
    return [
        *found,
        (r"/player/?()", PageHandler, {"route": "/player", "folder": "player"}),
        (r"/chat/?()", PageHandler, {"route": "/chat", "folder": "chat"}),
        (r"/reset/?()", PageHandler, {"route": "/reset", "folder": "dashboard", "index": "reset.html"}),
        (r"/()", PageHandler, {"route": "/", "folder": "dashboard"}),
    ]
