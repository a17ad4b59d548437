"""Settings are checked as a whole before anything is done, and are in seconds from then on."""

from pathlib import Path

import pytest

from bench import catalogue
from bench.machine.settings import PlannedSettings, Settings
from bench.schema import Interval, UserError


def test_the_defaults_of_conf_are_settings(configuration):
    settings = PlannedSettings.read(configuration)
    assert settings.results == Path(configuration["results"])
    assert (settings.timeout_seconds, settings.lease_expiry_seconds) == (None, 600.0)
    assert settings.study.name == "mine"


def test_every_key_of_the_settings_is_read(configuration):
    """A key that nothing reads would be accepted without a word."""
    keys = set(catalogue.load(catalogue.CONF / "settings.yaml")) - {"defaults", "hydra", "job"} | {"tracking"}
    read = {one.metadata.get("key", name) for name, one in PlannedSettings.__dataclass_fields__.items()}
    assert keys == read


def test_times_are_in_seconds(configuration):
    settings = Settings.read(configuration | {"timeout": 2, "lease_expiry": 1.5})
    assert (settings.timeout_seconds, settings.lease_expiry_seconds) == (120.0, 90.0)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("threads", 0, "threads takes a whole number from 1 to 1024, not 0"),
        ("threads", True, "threads takes a whole number from 1 to 1024, not True"),
        ("threads", 100_000, "threads takes a whole number from 1 to 1024, not 100000"),
        ("packing", 0, "packing takes a whole number of at least 1 or auto, not 0"),
        ("processes", "x", "processes takes a whole number of at least 1 or auto, not 'x'"),
        ("graph", "yes", "graph takes true or false or auto, not 'yes'"),
        ("job_seconds", float("nan"), "job_seconds takes a number above 0, not nan"),
        ("job_seconds", float("inf"), "job_seconds takes a number above 0, not inf"),
        ("job_seconds", 10**400, "job_seconds takes a number above 0, not 1"),
        ("timeout", -5, "timeout takes a number above 0 or null, not -5"),
        ("timeout", "10", "timeout takes a number above 0 or null, not '10'"),
        ("timeout", True, "timeout takes a number above 0 or null, not True"),
        ("lease_expiry", 0.1, "lease_expiry takes a number of at least 0.5, not 0.1"),
        ("retry", "all", "retry takes failed or error or out_of_memory or timeout or killed or null, not 'all'"),
        ("results", "", "results has no value; write results=VALUE"),
        ("format", "html", "format takes text or markdown or csv or json, not 'html'"),
        ("download", 1, "download takes true or false, not 1"),
    ],
)
def test_a_value_that_cannot_be_is_a_mistake_that_names_what_can(configuration, key, value, sentence):
    with pytest.raises(UserError) as mistake:
        Settings.read(configuration | {key: value})
    assert str(mistake.value).startswith(sentence)


def test_a_mode_of_tracking_that_does_not_exist_is_a_mistake(configuration):
    with pytest.raises(UserError, match=r"tracking\.mode takes offline or online, not 'disabled'"):
        Settings.read(configuration | {"tracking": configuration["tracking"] | {"mode": "disabled"}})


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("looks", [5, 3], "study.looks takes a list [a,b] of whole numbers that rise from at least 2, not [5, 3]"),
        ("looks", [1, 3], "study.looks takes a list"),
        (
            "margin",
            "wide",
            "study.margin takes a number above 0 and of at most 100 or a percentage such as 25%, not 'wide'",
        ),
        (
            "margin",
            "0%",
            "study.margin takes a number above 0 and of at most 100 or a percentage such as 25%, not '0%'",
        ),
        ("rate_margin", 1, "study.rate_margin takes a number above 0 and below 1, not 1"),
        ("line", 1, "study.line takes a number of at least 0 and below 1, not 1"),
        ("skip", [1], "study.skip takes a list [a,b] of keys {KEY: VALUE}, not [1]"),
    ],
)
def test_what_a_study_declares_is_checked_too(configuration, key, value, sentence):
    with pytest.raises(UserError) as mistake:
        Settings.read(configuration | {"study": configuration["study"] | {key: value}})
    assert str(mistake.value).startswith(sentence)


@pytest.mark.parametrize(
    ("every", "seconds", "epochs"),
    [
        (None, None, None),
        ("10min", 600, None),
        ("0.5 h", 1800, None),
        ("90s", 90, None),
        ("1epoch", None, 1),
        ("5 epochs", None, 5),
    ],
)
def test_a_distance_between_checkpoints_is_time_or_epochs(configuration, every, seconds, epochs):
    settings = Settings.read(configuration | {"checkpoint": {"every": every}})
    assert settings.checkpoint.interval == Interval(seconds, epochs)


@pytest.mark.parametrize("every", [10, "10", "min", "-1min", "0min", "0epochs", "1.5epochs", "10 minutes", True, "ten"])
def test_any_other_distance_is_a_mistake(configuration, every):
    with pytest.raises(UserError, match=r"checkpoint\.every takes .*, not "):
        Settings.read(configuration | {"checkpoint": {"every": every}})


def test_a_key_that_no_study_has_is_a_mistake(configuration):
    study = {**configuration["study"], "margn": 2.0}
    with pytest.raises(UserError, match="no key of a study is named 'margn'; did you mean margin"):
        Settings.read(configuration | {"study": study})
