"""The pages of docs/ against the code: settings, metrics, error codes, links; and the sizes that the design sets."""

import ast
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from core.errors import Problem
from core.metrics import Metrics
from core.settings import Settings
from handlers import serving
from tests.contract.source import parsed

ROOT = Path(__file__).parents[2]
CODE = [ROOT / "server.py"] + [
    path
    for folder in ("core", "models", "handlers", "realtime", "jobs", "deploy")
    for path in (ROOT / folder).rglob("*.py")
]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
# What a problem says, by the class that says it: every code in the source is a constant in one of these calls.
KINDS = {kind.__name__: kind for kind in Problem.__subclasses__()}


def rows(text, pattern):
    """Return the first cells of a page's table rows that match."""
    return [m[1] for m in re.finditer(rf"^\| `({pattern})` \|", text, flags=re.M)]


def test_every_setting_is_told_once_and_nothing_else():
    names = [f.metadata["name"] for f in fields(Settings)]

    assert sorted(rows(OPERATIONS, r"(?:MARQUEE|CLOUDINARY)_\w+")) == sorted(names)


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda f: f.name)
def test_the_default_that_is_told_is_the_default(setting):
    told = re.search(rf"^\| `{setting.metadata['name']}` \| (.*?) \|", OPERATIONS, flags=re.M)[1].strip("`")
    default = setting.default
    assert default is not MISSING
    if default in (None, "", ()):
        assert told == "none" or told.startswith(("made in", "open"))
    elif hasattr(default, "seconds"):
        assert told in {f"{default.count}/{default.seconds // 60}m", f"{default.count}/{default.seconds}s"}
    elif isinstance(default, tuple):
        assert told == ",".join(map(str, default))
    else:
        assert told.replace(",", "") == str(default)


def test_every_metric_is_told_once_and_nothing_else():
    metrics = [each for each in vars(Metrics()).values() if isinstance(each, MetricWrapperBase)]
    names = [each._name + ("_total" if each._type == "counter" else "") for each in metrics]

    assert sorted(rows(OPERATIONS, r"marquee_\w+")) == sorted(names)


def codes():
    """Yield (status, code) of every refusal in the source."""
    yield (Problem.status, Problem.default_code)
    yield from ((kind.status, kind.default_code) for kind in KINDS.values())
    for path in CODE:
        for node in ast.walk(parsed(path)):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            name = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else name
            if (
                name in KINDS
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                yield (KINDS[name].status, node.args[0].value)


def test_every_error_code_is_told_and_no_other():
    text = (ROOT / "docs" / "api.md").read_text()
    told = {(int(status), code) for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", text, flags=re.M)}

    assert serving.RangeNotSatisfiable in Problem.__subclasses__()
    assert told == set(codes())


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(), flags=re.M)
            assert anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_path_that_a_page_names_is_there(page):
    for name in re.findall(
        r"`((?:core|models|handlers|realtime|jobs|deploy|web|docs|tests|bench)/[\w./-]+)`", page.read_text()
    ):
        assert (ROOT / name).exists() or "/." in name, name  # what begins with a dot is the operator's own


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path):
    """A sign that a file or a function owns two things, not a limit to game: 300 lines, 40 lines."""
    text = path.read_text()
    functions = [n for n in ast.walk(parsed(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]

    name = str(path.relative_to(ROOT))

    assert len(text.splitlines()) <= _MOST.get(name, 300)
    long = [
        f"{f.name} has {_length(f)} lines" for f in functions if _length(f) > 40 and (name, f.name) not in _REGISTERS
    ]
    assert long == []


# A vocabulary and a register are lists: they own one thing, however long it is.
_MOST = {"core/resources.py": 400}
_REGISTERS = {("core/metrics.py", "__init__")}


def _length(function):
    """Count the lines of a function's body but for its docstring; arguments of their own lines are not its work."""
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return function.end_lineno - body[0].lineno + 1


def test_every_test_that_the_reliability_page_names_is_there():
    named = set(re.findall(r"`((?:[\w/]+/)?test_\w+\.py)`", (ROOT / "docs" / "reliability.md").read_text()))

    assert len(named) > 20
    assert [name for name in named if not list((ROOT / "tests").rglob(name.removeprefix("tests/")))] == []
