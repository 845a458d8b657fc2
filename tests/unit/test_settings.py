"""Settings: read from the environment; what is wrong, missing or unknown stops the start with one sentence."""

import ipaddress
from contextlib import suppress
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings import Rate, Settings, SettingsError

KEY, PEPPER = "Zr8mQ2vX5kT9wL1pN7cB4hJ6yD3fG0sA", "aS0gF3dY6jH4bC7nP1lW9tK5xV2qM8rZ"
PRODUCTION = {
    "MARQUEE_ENV": "production",
    "MARQUEE_PUBLIC_URL": "https://screens.example.com/",
    "MARQUEE_MONGODB_URL": "mongodb://db.example.com/?replicaSet=rs",
    "MARQUEE_REDIS_URL": "redis://bell.example.com",
    "MARQUEE_SECRET_KEY": KEY,
    "MARQUEE_PASSWORD_PEPPER": PEPPER,
}


def refusal(environ):
    with pytest.raises(SettingsError) as refused:
        Settings.read(environ)
    return str(refused.value)


def test_nothing_set_is_a_development_server_with_everything_its_own():
    settings = Settings.read({})

    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8000, Path("data"))
    assert (settings.mongodb_url, settings.redis_url, settings.storage) == (None, None, "local")
    assert (settings.production, settings.registration_open, settings.https) == (False, True, False)
    assert (settings.rate_anonymous, settings.rate_frames) == (Rate(100, 900), Rate(60, 10))


def test_everything_is_read_as_what_it_is():
    settings = Settings.read(
        {
            "MARQUEE_PORT": "0",
            "MARQUEE_PUBLIC_URL": "https://screens.example.com/",
            "MARQUEE_CORS_ORIGINS": "https://a.example.com, http://localhost:3000,",
            "MARQUEE_TRUSTED_PROXIES": "10.0.0.0/8, 192.168.1.1,::1",
            "MARQUEE_METRICS_ALLOW": "",
            "MARQUEE_RATE_LOGIN": "5/1h",
            "MARQUEE_REGISTRATION": "closed",
            "MARQUEE_DATA_DIR": "/srv/marquee",
            "MARQUEE_MAX_IMAGE_BYTES": "1000",
            "PATH": "/usr/bin",
        }
    )

    assert (settings.port, settings.public_url, settings.https) == (0, "https://screens.example.com", True)
    assert settings.cors_origins == ("https://a.example.com", "http://localhost:3000")
    assert settings.trusted_proxies[0] == ipaddress.ip_network("10.0.0.0/8")
    assert len(settings.trusted_proxies) == 3
    assert settings.metrics_allow == Settings().metrics_allow  # empty counts as absent
    assert (settings.rate_login, settings.registration_open) == (Rate(5, 3600), False)
    assert (settings.data_dir, settings.max_image_bytes) == (Path("/srv/marquee"), 1000)


WRONG = {
    "MARQUEE_ENV": ["prod", "Production"],
    "MARQUEE_PORT": ["http", "-1", "65536", "80.0", "8000 ", "٨"],
    "MARQUEE_PUBLIC_URL": ["screens.example.com", "ftp://screens.example.com", "https://"],
    "MARQUEE_MONGODB_URL": ["localhost:27017", "http://localhost"],
    "MARQUEE_MONGODB_DATABASE": ["a.b", "a b", "x" * 39, "$db"],
    "MARQUEE_REDIS_URL": ["localhost:6379", "redis://"],
    "MARQUEE_REDIS_PREFIX": ["a b", "{tag}", "x" * 65],
    "MARQUEE_STORAGE": ["s3", "Local"],
    "CLOUDINARY_URL": ["https://cloudinary.com"],
    "MARQUEE_CORS_ORIGINS": [
        "*",
        "example.com",
        "https://a.example.com/path",
        "https://a.example.com,null",
        "https://",
    ],
    "MARQUEE_REGISTRATION": ["yes"],
    "MARQUEE_TRUSTED_PROXIES": ["localhost", "10.0.0.0/33", "10.0.0.1/8", "*"],
    "MARQUEE_SMTP_URL": ["mail.example.com", "http://mail.example.com", "smtp://"],
    "MARQUEE_METRICS_ALLOW": ["everybody"],
    "MARQUEE_RATE_ANONYMOUS": ["100", "100/15", "0/15m", "100/0m", "-1/15m", "100 / 15m", "1e3/15m", "100/15w"],
    "MARQUEE_RATE_LOGIN": ["many"],
    "MARQUEE_RATE_USER": ["many"],
    "MARQUEE_RATE_SCREEN": ["many"],
    "MARQUEE_RATE_MESSAGES": ["many"],
    "MARQUEE_RATE_PAIRING": ["many"],
    "MARQUEE_RATE_FRAMES": ["many"],
    "MARQUEE_SCREEN_HEARTBEAT_SECONDS": ["0", "1.5", "3601"],
    "MARQUEE_LOG_FORMAT": ["xml"],
    "MARQUEE_LOG_LEVEL": ["verbose", "INFO"],
    "MARQUEE_DRAIN_SECONDS": ["-1", "soon"],
    "MARQUEE_MAX_IMAGE_BYTES": ["0", "20MB"],
    "MARQUEE_MAX_VIDEO_BYTES": ["0"],
    "MARQUEE_MAX_FILE_BYTES": ["0"],
    "MARQUEE_WORKSPACE_QUOTA_BYTES": ["-5"],
    "MARQUEE_USER_QUOTA_BYTES": ["0"],
}
FREE = {  # any text will do outside production
    "MARQUEE_HOST",
    "MARQUEE_DATA_DIR",
    "MARQUEE_SECRET_KEY",
    "MARQUEE_SECRET_KEY_PREVIOUS",
    "MARQUEE_PASSWORD_PEPPER",
    "MARQUEE_MAIL_FROM",
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_with_one_sentence_that_names_the_setting(name, value):
    sentence = refusal({name: value})

    assert sentence.startswith(f"{name} ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_every_setting_has_a_wrong_value_here_or_takes_any():
    assert set(WRONG) | FREE == {f.metadata["name"] for f in fields(Settings)}


@pytest.mark.parametrize("name", ["MARQUEE_PROT", "MARQUEE_RATE_ANONYMUS", "MARQUEE_"])
def test_an_unknown_setting_is_a_typing_error(name):
    assert refusal({name: "1"}).startswith(f"{name} is not a setting")


@pytest.mark.parametrize(
    ("given_name", "missing"),
    [("MARQUEE_MONGODB_URL", "MARQUEE_REDIS_URL"), ("MARQUEE_REDIS_URL", "MARQUEE_MONGODB_URL")],
)
def test_one_store_without_the_other_names_the_one_that_is_missing(given_name, missing):
    assert refusal({given_name: PRODUCTION[given_name]}).startswith(f"{missing} is missing")


def test_cloudinary_needs_its_url():
    assert refusal({"MARQUEE_STORAGE": "cloudinary"}).startswith("CLOUDINARY_URL is missing")


def test_mail_needs_the_address_that_its_links_lead_to():
    mail = {"MARQUEE_SMTP_URL": "smtp://mail.example.com"}

    assert refusal(mail).startswith("MARQUEE_PUBLIC_URL is missing")
    assert Settings.read({**mail, "MARQUEE_PUBLIC_URL": "http://signs.example.com"}).smtp_url is not None


def test_a_secret_is_not_shown_in_a_refusal():
    assert KEY not in refusal({**PRODUCTION, "MARQUEE_PASSWORD_PEPPER": "short"})
    assert "hunter2" not in refusal({"CLOUDINARY_URL": "http://key:hunter2@cloud"})
    assert "hunter2" not in refusal({"MARQUEE_SMTP_URL": "http://user:hunter2@mail.example.com"})


def test_production_with_all_it_needs_starts_closed():
    settings = Settings.read(PRODUCTION)

    assert (settings.production, settings.registration_open, settings.https) == (True, False, True)
    assert Settings.read({**PRODUCTION, "MARQUEE_REGISTRATION": "open"}).registration_open


@pytest.mark.parametrize("name", ["MARQUEE_PUBLIC_URL", "MARQUEE_SECRET_KEY", "MARQUEE_PASSWORD_PEPPER"])
def test_production_does_without_nothing(name):
    assert refusal({**PRODUCTION, name: ""}).startswith(f"{name} is missing")


def test_production_refuses_embedded_stores():
    stores = {"MARQUEE_MONGODB_URL": "", "MARQUEE_REDIS_URL": ""}
    assert refusal({**PRODUCTION, **stores}).startswith("MARQUEE_MONGODB_URL is missing")


@pytest.mark.parametrize("name", ["MARQUEE_SECRET_KEY", "MARQUEE_SECRET_KEY_PREVIOUS", "MARQUEE_PASSWORD_PEPPER"])
@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("Zr8mQ2vX5kT9wL1pN7cB4hJ6yD3fG0s", "is short"),
        ("x", "is short"),
        ("a" * 40, "looks like a sample"),
        ("abababababababababababababababab", "looks like a sample"),
        ("change-me-change-me-change-me-please", "looks like a sample"),
        ("this-is-an-EXAMPLE-key-0123456789abcdef", "looks like a sample"),
        ("your-secret-key-goes-here-0123456789", "looks like a sample"),
    ],
)
def test_production_refuses_short_and_sample_secrets(name, secret, why):
    assert refusal({**PRODUCTION, name: secret}).startswith(f"{name} {why}")


def test_production_refuses_one_secret_for_two_things():
    assert "MARQUEE_PASSWORD_PEPPER" in refusal({**PRODUCTION, "MARQUEE_PASSWORD_PEPPER": KEY})


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1


@given(
    st.dictionaries(
        st.sampled_from([f.metadata["name"] for f in fields(Settings)]),
        st.one_of(
            st.text(st.characters(exclude_characters="\x00"), max_size=40),
            st.sampled_from(["1", "100/15m", "https://a.b"]),
        ),
        max_size=6,
    )
)
def test_whatever_is_set_starts_or_is_refused_with_a_sentence(environ):
    with suppress(SettingsError):
        assert isinstance(Settings.read(environ), Settings)
