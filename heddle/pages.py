"""`python -m heddle.pages` writes docs/settings.md from the table of settings; a test compares."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from heddle.settings import SETTINGS

PAGE: Final = Path(__file__).parents[1] / "docs" / "settings.md"
_HEAD: Final = """# Settings

Every setting is read once, from the environment: `HEDDLE_<NAME>`. A secret may also come from the
file that `HEDDLE_<NAME>_FILE` names. Commands that speak to a local stack take what is not set from
its `stack.json`. `heddle settings` prints all of them with their source, secrets hidden.

Any librdkafka property passes through as `HEDDLE_KAFKA_<PROPERTY>`, dots as underscores, and
wins over ours: `HEDDLE_KAFKA_SECURITY_PROTOCOL=SASL_SSL`,
`HEDDLE_KAFKA_SASL_PASSWORD_FILE=/run/secrets/kafka`.

| Setting | Default | Meaning |
|---|---|---|
"""


def page() -> str:
    """The page's text."""
    rows = [
        f"| `HEDDLE_{one.name}`{' (secret)' if one.secret else ''} |"
        f" {f'`{one.default}`' if one.default else ''} | {one.meaning} |"
        for one in SETTINGS
    ]
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
