"""A run that must not skip anything says what was skipped, by name, and fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    "passes": "def test_runs():\n    pass\n",
    "skips": "import pytest\n\ndef test_waits_for_a_browser():\n    pytest.skip('no browser')\n",
    "skips_whole": "import pytest\n\npytest.skip('no nginx', allow_module_level=True)\n",
}


def run_pytest(folder, *names, strict):
    for name in names:
        (folder / f"test_{name}.py").write_text(FILES[name])
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MARQUEE_NO_SKIPS": "1" if strict else "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.no_skips", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_run_without_skips_passes(tmp_path):
    done = run_pytest(tmp_path, "passes", strict=True)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "said"), [("skips", "test_waits_for_a_browser: Skipped: no browser"), ("skips_whole", "no nginx")]
)
def test_a_skip_fails_a_strict_run_and_is_named(tmp_path, name, said):
    done = run_pytest(tmp_path, "passes", name, strict=True)

    assert done.returncode == 1, done.stdout
    assert said in done.stdout
    assert "skipped" in done.stdout.rstrip().splitlines()[-1]


def test_a_skip_does_no_harm_elsewhere(tmp_path):
    done = run_pytest(tmp_path, "skips", strict=False)

    assert done.returncode == 0, done.stdout
