"""The files of deploy/ name settings, metrics, sizes and addresses that are others' to change: they must agree."""

import json
import re
import secrets
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from core.metrics import Metrics
from core.settings import Settings, read_networks

DEPLOY = Path(__file__).parents[2] / "deploy"
SETTINGS = {field.metadata["name"]: field.default for field in fields(Settings)}
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
FILES = ["compose.yaml", "env.example", "Dockerfile", "systemd/marquee@.service", "RUNBOOK.md", "nginx/marquee.conf"]


def metric_names():
    """Return every name that a query may ask for."""
    names = set()
    for family in Metrics().registry.collect():
        names.add(family.name)
        names |= {family.name + end for end in ("_total", "_bucket", "_count", "_sum")}
    return names


@pytest.mark.parametrize("name", FILES)
def test_every_setting_named_is_a_setting(name):
    named = set(re.findall(r"\bMARQUEE_[A-Z_]+", (DEPLOY / name).read_text()))

    assert named - set(SETTINGS) == set()


@pytest.mark.parametrize("name", ["prometheus/alerts.yml", "grafana/marquee.json", "RUNBOOK.md"])
def test_every_metric_named_is_a_metric(name):
    named = set(re.findall(r"\b(?:marquee|process)_[a-z_]+[a-z]", (DEPLOY / name).read_text()))

    assert {each for each in named if each.startswith("marquee_")}
    assert named - metric_names() == set()


def test_every_alert_has_a_section_of_the_runbook():
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    headings = "".join(re.findall(r"(?m)^##+ .*$", (DEPLOY / "RUNBOOK.md").read_text()))

    assert {alert for alert in alerts if alert not in headings} == set()


def test_the_dashboard_shows_each_panel_once():
    panels = json.loads((DEPLOY / "grafana" / "marquee.json").read_text())["panels"]

    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)


def test_nginx_lets_through_what_the_server_takes():
    site = (DEPLOY / "nginx" / "marquee.conf").read_text()

    def limit(location):
        number, unit = re.search(
            rf"location ~ \^{re.escape(location)}.*?client_max_body_size (\d+)([km]);", site, re.S
        ).groups()
        return int(number) << {"k": 10, "m": 20}[unit]

    assert limit("/api/media") > SETTINGS["MARQUEE_MAX_VIDEO_BYTES"] + 2**20
    assert limit("/api/files/upload") > SETTINGS["MARQUEE_MAX_FILE_BYTES"] + 2**20
    assert limit("/api/display/commands/") > 5 * 2**20


def test_everything_waits_until_the_server_has_drained():
    drain = SETTINGS["MARQUEE_DRAIN_SECONDS"]
    nginx = (DEPLOY / "nginx" / "nginx.conf").read_text()
    unit = (DEPLOY / "systemd" / "marquee@.service").read_text()

    assert int(re.search(r"worker_shutdown_timeout (\d+)s", nginx)[1]) > drain
    assert int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) > drain + 10
    assert int(COMPOSE["services"]["marquee-1"]["stop_grace_period"].rstrip("s")) > drain + 10


def test_the_addresses_of_compose_agree():
    services = COMPOSE["services"]
    address = {name: fixed_address(service) for name, service in services.items()}
    upstream = re.findall(r"(?m)^server ([0-9.]+):8000", (DEPLOY / "compose" / "upstream.conf").read_text())
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0][
        "static_configs"
    ]
    environment = services["marquee-1"]["environment"]

    assert upstream == [address["marquee-1"], address["marquee-2"]]
    assert scraped[0]["targets"] == [f"{each}:8000" for each in upstream]
    assert environment["MARQUEE_TRUSTED_PROXIES"] == address["nginx"]
    assert str(read_networks(environment["MARQUEE_METRICS_ALLOW"])[1]) == address["prometheus"] + "/32"
    assert services["marquee-1"]["environment"] == services["marquee-2"]["environment"]


def fixed_address(service):
    networks = service.get("networks")
    return networks.get("front", {}).get("ipv4_address") if isinstance(networks, dict) else None


def test_compose_mounts_what_is_there():
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_sample_of_secrets_is_refused_as_it_stands():
    given = dict(re.findall(r"(?m)^(\w+)=(.*)$", (DEPLOY / "env.example").read_text()))
    compose = COMPOSE["services"]["marquee-1"]["environment"]

    with pytest.raises(Exception, match="MARQUEE_SECRET_KEY is missing"):
        Settings.read({**given, **compose, "MARQUEE_ENV": "production"})
    filled = {name: value or secrets.token_urlsafe(48) for name, value in given.items()}
    assert Settings.read({**filled, **compose, "MARQUEE_ENV": "production"}).production


def test_the_image_has_every_part_of_the_server():
    copied = set(re.findall(r"(?m)^COPY (\w+)(?:/\*\.py)? /app/", (DEPLOY / "Dockerfile").read_text()))
    root = DEPLOY.parent

    assert {path.parent.name for path in root.glob("*/__init__.py")} - {"tests", "bench"} <= copied
    assert "web" in copied
    assert "server.py" in (DEPLOY / "Dockerfile").read_text()
