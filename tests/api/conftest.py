"""What tests of uploads look at afterwards."""

import pytest


@pytest.fixture
def left(marquee):
    """Return what uploads have left on the disk: entries of `incoming`, and files of `media`."""

    def look():
        data = marquee.settings.data_dir
        files = [path for path in (data / "media").rglob("*") if path.is_file()]
        return sorted((data / "incoming").iterdir()), sorted(path.name for path in files)

    return look
