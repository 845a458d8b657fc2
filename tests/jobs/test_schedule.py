"""The list of jobs: complete, named as their files are, and as prompt as the contract wants them."""

import re
from pathlib import Path

JOBS = Path(__file__).parents[2] / "jobs"
MACHINERY = {"__init__", "leader", "loop_lag", "periodic", "runner", "schedule"}
EVERYWHERE = {"process_media", "record_system_health", "sweep_orphan_files", "watch_mongodb", "watch_revocations"}


async def test_every_job_has_a_file_of_its_name_and_every_file_is_a_job(marquee):
    files = {path.stem for path in JOBS.glob("*.py")} - MACHINERY

    assert set(marquee.jobs.jobs) == files


async def test_every_job_is_tested():
    tested = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    prompt = {"mark_offline_screens", "end_emergencies", "report_emergency_progress", "expire_commands"}
    files = {path.stem for path in JOBS.glob("*.py")} - MACHINERY - prompt - {"process_media", "watch_revocations"}
    assert {name for name in files if f'"{name}"' not in tested} == set()


async def test_the_operators_page_lists_every_job_as_it_is(marquee):
    page = (JOBS.parent / "docs" / "operations.md").read_text()
    listed = set(re.findall(r"(?m)^\| `(\w+)` \| (\d+) s \| (leader|each) \|", page))

    jobs = marquee.jobs.jobs.values()
    assert listed == {(job.name, str(job.every), "each" if job.everywhere else "leader") for job in jobs}


async def test_what_somebody_waits_for_comes_each_second_or_two(marquee):
    jobs = marquee.jobs.jobs

    prompt = ["mark_offline_screens", "end_emergencies", "report_emergency_progress", "expire_commands"]
    assert [jobs[name].every <= 2 for name in [*prompt, "watch_revocations"]] == [True] * 5


async def test_only_what_each_process_has_of_its_own_runs_everywhere(marquee):
    assert {job.name for job in marquee.jobs.jobs.values() if job.everywhere} == EVERYWHERE


async def test_a_server_that_ends_lets_another_lead(marquee, follower, eventually):
    assert (marquee.jobs.leader.leads, follower.jobs.leader.leads) == (True, False)

    await marquee.jobs.stop()

    await eventually(lambda: follower.jobs.leader.leads)


async def test_every_job_runs_and_succeeds_on_an_empty_server(marquee, lines):
    for name in marquee.jobs.jobs:
        await marquee.jobs.run(name)

    sample = marquee.metrics.registry.get_sample_value
    for name in marquee.jobs.jobs:
        assert sample("marquee_job_runs_total", {"job": name, "outcome": "ok"}) >= 1, name
    assert [line for line in lines if line["event"] == "job.failed"] == []
