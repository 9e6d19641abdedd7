"""Where the ledger may listen, and which passwords that takes."""

from __future__ import annotations

import pytest

from analytics.endpoint.question import Passwords
from analytics.endpoint.server import PASSWORD_CHARS_MIN, check_passwords, is_loopback
from schemas.errors import Unusable

LONG = "x" * PASSWORD_CHARS_MIN
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is refused below


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("::1", True),
        (EVERYWHERE, False), ("10.0.0.7", False), ("::", False), ("ledger", False), ("", False),
    ],
)  # fmt: skip
def test_loopback_is_told_from_what_others_reach(host: str, alone: bool) -> None:
    """Every address and name but this machine's own counts as reachable."""
    assert is_loopback(host) is alone


def test_short_passwords_do_on_loopback_alone() -> None:
    """Reachable by others, the first password too short is named by its user, never shown."""
    short = Passwords(writer=LONG, reader="s3cret", tenants={"acme": LONG + "y"})
    check_passwords(short, host="127.0.0.1")
    with pytest.raises(Unusable, match=r"0\.0\.0\.0.*heddle_reader has fewer than 12") as refusal:
        check_passwords(short, host=EVERYWHERE)
    assert "s3cret" not in str(refusal.value)
    tenant = Passwords(writer=LONG, reader=LONG + "y", tenants={"acme": "short"})
    with pytest.raises(Unusable, match="heddle_reader_acme"):
        check_passwords(tenant, host="10.0.0.7")
    check_passwords(
        Passwords(writer=LONG, reader=LONG + "y", tenants={"acme": LONG + "z"}), host=EVERYWHERE
    )


@pytest.mark.parametrize(
    "passwords",
    [
        Passwords(writer="", reader="b"),
        Passwords(writer="a", reader="a"),
        Passwords(writer="a", reader="b", tenants={"acme": "a"}),
    ],
)
def test_nobody_shares_a_password(passwords: Passwords) -> None:
    """Missing or shared ones are refused everywhere, also on loopback."""
    with pytest.raises(Unusable, match="all different"):
        check_passwords(passwords, host="127.0.0.1")
