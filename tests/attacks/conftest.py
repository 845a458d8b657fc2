import pytest

from bench.attack_site import Site
from bench.attack_stores import MongoDB


@pytest.fixture
def mongodb(tmp_path):
    """A MongoDB of this test's own, to be hurt."""
    made = MongoDB(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def sites(tmp_path):
    """Start server processes on stores of their own, which may be hurt: `sites(count=1)`."""
    started = []

    def start(**options):
        started.append(Site(tmp_path / f"site-{len(started)}", **options))
        started[-1].start()
        return started[-1]

    yield start
    for site in started:
        site.stop()
