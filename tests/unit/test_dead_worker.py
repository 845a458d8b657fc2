"""A test that ends its worker fails, once; all others run, and the suite ends."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PYTEST = ["-m", "pytest", "-q", "-p", "xdist", "-p", "tests.dead_worker", "--dist", "loadfile"]
ROOT = Path(__file__).parents[2]
FINE = "def test_{}(): pass\n"
DEADLY = "import os\ndef test_deadly(): os._exit(1)\n"


@pytest.mark.parametrize(
    ("workers", "files"),
    [
        ("1", {"test_a": FINE.format("first") + DEADLY}),
        ("1", {"test_a": FINE.format("first") + DEADLY + FINE.format("last"), "test_b": FINE.format("b")}),
        ("2", {f"test_{name}": FINE.format("first") + DEADLY + FINE.format("last") for name in "abcd"}),
    ],
)
def test_a_worker_that_dies_takes_one_test_with_it(workers, files, tmp_path):
    for name, code in files.items():
        (tmp_path / f"{name}.py").write_text(code)
    words = "".join(files.values())
    dead = words.count("os._exit")

    run = subprocess.run(
        [sys.executable, *PYTEST, "-n", workers, "-c", "/dev/null", "--rootdir", tmp_path, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )

    counted = dict(reversed(pair.split()) for pair in re.findall(r"\d+ (?:failed|passed)", run.stdout))
    assert counted == {"failed": str(dead), "passed": str(words.count("def ") - dead)}, run.stdout
