"""Turns skipped tests into a failure where MARQUEE_NO_SKIPS=1: a green run must mean that everything ran."""

import os

import pytest

STRICT = os.environ.get("MARQUEE_NO_SKIPS") == "1"


def _skipped(session):
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    return reporter.stats.get("skipped", []) if reporter else []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    if STRICT and exitstatus == pytest.ExitCode.OK and _skipped(session):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    if STRICT and skipped:
        terminalreporter.section("skipped, though MARQUEE_NO_SKIPS=1", red=True)
        for report in skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            terminalreporter.line(f"{report.nodeid}: {reason}")
