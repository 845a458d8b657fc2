"""What several tests of the API need: what uploads have left, and a server that loses commits."""

from urllib.parse import urlsplit

import pytest

from tests.api.commit_proxy import CommitProxy


@pytest.fixture
def left(marquee):
    """Return what uploads have left on the disk: entries of `incoming`, and files of `media`."""

    def look():
        data = marquee.settings.data_dir
        files = [path for path in (data / "media").rglob("*") if path.is_file()]
        return sorted((data / "incoming").iterdir()), sorted(path.name for path in files)

    return look


@pytest.fixture
def proxy(settings):
    """A proxy before MongoDB that loses commits."""
    proxy = CommitProxy(urlsplit(settings.mongodb_url).port)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def behind(proxy, servers, marquee):
    """A second server, which reaches MongoDB through `proxy` alone."""
    return servers(mongodb_url=f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true")
