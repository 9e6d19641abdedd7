"""Settings: read once, named in every complaint, secrets never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from heddle import parts, settings
from schemas.errors import Rejected, Unusable


def test_environment_wins_over_the_stack_and_the_stack_over_defaults() -> None:
    """And each value's source is told."""
    read = settings.read({"HEDDLE_PORT": "9100"}, {"HEDDLE_BOOTSTRAP": "b:1", "HEDDLE_PORT": "1"})
    sources = {name: source for name, _, source in read.shown()}
    assert (read["PORT"], read["BOOTSTRAP"], read["PREFIX"]) == ("9100", "b:1", "")
    assert sources["HEDDLE_PORT"] == "environment"
    assert sources["HEDDLE_BOOTSTRAP"] == "stack.json"
    assert sources["HEDDLE_PREFIX"] == "default"


def test_secrets_come_from_files_and_are_never_shown(tmp_path: Path) -> None:
    """Neither in the table nor in a repr nor in a complaint."""
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    environ = {
        "HEDDLE_LEDGER_WRITER_PASSWORD_FILE": str(file),
        "HEDDLE_KAFKA_SASL_PASSWORD_FILE": str(file),
        "HEDDLE_ASSETS_SECRET_KEY": "hunter2",
    }
    read = settings.read(environ)
    assert read["LEDGER_WRITER_PASSWORD"] == "hunter2"
    assert read.kafka["sasl.password"] == "hunter2"
    assert "hunter2" not in repr(read)
    assert "hunter2" not in str(read.shown())


def test_any_librdkafka_property_passes_through() -> None:
    """Underscores become dots; the connection carries it and it wins over ours."""
    read = settings.read(
        {"HEDDLE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "HEDDLE_KAFKA_LINGER_MS": "7"}
    )
    config = parts.connection(read).config(linger_ms=1)
    assert config["security.protocol"] == "SASL_SSL"
    assert config["linger.ms"] == "7"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"HEDDLE_GROUP_PROTOCOL": "share"}, "HEDDLE_GROUP_PROTOCOL"),
        ({"HEDDLE_ENGINE": "magic"}, "HEDDLE_ENGINE"),
        ({"HEDDLE_LEDGER_READER_PASSWORD_FILE": "/nowhere/at/all"}, "/nowhere/at/all"),
    ],
)
def test_a_bad_setting_is_named(environ: dict[str, str], named: str) -> None:
    """With what would be allowed."""
    with pytest.raises(Unusable, match=named):
        settings.read(environ)


def test_numbers_are_checked_where_they_are_used() -> None:
    """A port that is no number, an intake that is no intake."""
    with pytest.raises(Unusable, match="HEDDLE_PORT is 'x'"):
        settings.read({"HEDDLE_PORT": "x"}).whole("PORT")
    with pytest.raises(Unusable, match="HEDDLE_INTAKE"):
        parts.intakes(settings.read({"HEDDLE_INTAKE": "patterns.published"}))


def test_intakes_admit_the_tenants_they_name() -> None:
    """`topic=a+b` admits a and b alone; a topic without tenants admits everybody."""
    read = settings.read({"HEDDLE_INTAKE": "patterns.requested, patterns.requested.shop=acme+nord"})
    intakes = parts.intakes(read)
    intakes.check("patterns.requested", "anyone")
    intakes.check("patterns.requested.shop", "nord")
    with pytest.raises(Rejected, match="foreign tenant"):
        intakes.check("patterns.requested.shop", "stranger")
