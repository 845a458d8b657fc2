"""The list of all jobs. Each file beside this one owns one of them, and says why it comes as often as it does."""

from jobs.end_emergencies import end_emergencies
from jobs.expire_commands import expire_commands
from jobs.expire_pairings import expire_pairings
from jobs.fill_general import fill_general
from jobs.flush_heartbeats import flush_heartbeats
from jobs.leader import Leader
from jobs.loop_lag import LoopLag
from jobs.mark_offline_screens import mark_offline_screens
from jobs.process_media import process_media
from jobs.reconcile_revisions import reconcile_revisions
from jobs.record_system_health import SystemHealth, record_system_health
from jobs.report_emergency_progress import report_emergency_progress
from jobs.runner import Runner
from jobs.sweep_commands import sweep_commands
from jobs.sweep_contents import sweep_contents
from jobs.sweep_orphan_files import sweep_orphan_files
from jobs.sweep_rooms import sweep_rooms
from jobs.sweep_sessions import sweep_sessions
from jobs.sweep_tickets import sweep_tickets
from jobs.sweep_unused_files import sweep_unused_files
from jobs.watch_mongodb import watch_mongodb
from jobs.watch_revocations import Sockets, watch_revocations
from models.base import Ground
from models.health import Health
from models.stores import Stores


def build(ground: Ground, stores: Stores, health: Health, sockets: Sockets) -> Runner:
    """Return this process's jobs, ready to start. `sockets` are those that a revocation closes: the node's."""
    clock, metrics = ground.clock, ground.metrics
    leader = Leader(ground.redis.client, ground.settings.redis_prefix, clock, metrics)
    lag = LoopLag(metrics)
    system = SystemHealth(stores, health, leader, lag, clock=clock, metrics=metrics)
    jobs = [
        mark_offline_screens(stores),
        end_emergencies(stores),
        report_emergency_progress(stores),
        expire_commands(stores),
        watch_revocations(stores, sockets),
        watch_mongodb(stores),
        process_media(stores),
        record_system_health(system),
        sweep_contents(stores),
        flush_heartbeats(stores),
        sweep_tickets(stores),
        sweep_unused_files(stores),
        sweep_rooms(stores),
        reconcile_revisions(stores),
        expire_pairings(stores),
        sweep_sessions(stores),
        fill_general(stores),
        sweep_orphan_files(stores),
        sweep_commands(stores),
    ]
    return Runner(jobs, leader, lag, clock, metrics)
