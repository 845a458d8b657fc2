"""What import-linter cannot hold: `server.py` is a module, and nobody may import it but the command line and tests."""

import ast
from pathlib import Path

import pytest

from tests.contract.source import parsed

ROOT = Path(__file__).parents[2]
MODULES = [
    p for folder in ("core", "models", "handlers", "realtime", "jobs", "deploy") for p in (ROOT / folder).rglob("*.py")
]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nobody_imports_the_composition_root(path):
    tree = parsed(path)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}

    assert not {name for name in imported if name.split(".")[0] in {"server", "tests", "bench"}}


def test_the_composition_root_stays_small():
    assert len((ROOT / "server.py").read_text().splitlines()) <= 150
