"""The JavaScript modules that need no browser, tested by Node's own runner; and what the service worker keeps."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"


def test_the_modules_pass_their_own_tests():
    if shutil.which("node") is None:
        pytest.skip("there is no Node here; the other browser tests run the same modules in Chromium")
    files = sorted(str(path) for path in (ROOT / "tests/browser/js").glob("*.test.mjs"))
    assert files

    run = subprocess.run(
        ["node", "--test", "--test-reporter=spec", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr


def test_the_service_worker_keeps_all_that_the_player_loads():
    kept = set(re.findall(r'"(/(?:player|shared)/[\w.-]+)"', (WEB / "player/sw.js").read_text()))
    player = {f"/player/{path.name}" for path in (WEB / "player").iterdir() if path.name not in ("index.html", "sw.js")}
    shared, unread = set(), [WEB / "player" / name.removeprefix("/player/") for name in player if name.endswith(".js")]
    while unread:
        for name in re.findall(r'from "(?:\.\./shared|\.)/([\w-]+\.js)"', unread.pop().read_text()):
            if (WEB / "shared" / name).exists() and f"/shared/{name}" not in shared:
                shared.add(f"/shared/{name}")
                unread.append(WEB / "shared" / name)

    assert kept == player | shared


def test_no_page_has_a_script_or_a_style_of_its_own():
    pages = sorted(WEB.glob("*/*.html"))
    assert WEB / "chat/index.html" in pages

    for page in pages:
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.read_text()), page
