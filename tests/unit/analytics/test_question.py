"""Who asks what: two users, told apart in constant time, and what each request says."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from analytics.endpoint.faults import Fault, from_engine
from analytics.endpoint.question import Passwords, Question, asked, read_tenants
from schemas.errors import Unusable

PASSWORDS = Passwords(writer="w", reader="r", tenants={"acme": "a", "mill": "m"})


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def ask(target: str, headers: dict[str, str] | None = None, method: str = "POST") -> Question:
    return asked(method=method, target=target, headers=headers or {}, passwords=PASSWORDS)


def test_the_three_ways_to_say_who_one_is() -> None:
    """Basic authentication, ClickHouse's own headers, and the address."""
    assert ask("/", basic("heddle_writer", "w")).role == "writer"
    named = {"x-clickhouse-user": "heddle_reader", "x-clickhouse-key": "r"}
    assert ask("/", named).role == "reader"
    assert ask("/?user=heddle_reader&password=r").role == "reader"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("heddle_writer", "r"),
        basic("heddle_reader_acme", "m"),
        basic("heddle_reader_acme", "r"),
        basic("heddle_reader", "a"),
        basic("heddle_reader_", "r"),
        basic("heddle_reader_nobody", "a"),
        basic("heddle_reader", "w"),
        basic("heddle_writer", ""),
        basic("", "w"),
        basic("default", ""),
        {"authorization": "Basic ???"},
        {"authorization": "Bearer w"},
        {"x-clickhouse-user": "heddle_writer"},
    ],
)
def test_everybody_else_is_refused(headers: dict[str, str]) -> None:
    """One user's password does not open the other's door, and none opens none."""
    with pytest.raises(Fault) as refusal:
        ask("/?query=SELECT+1", headers)
    assert (refusal.value.code, refusal.value.status) == (516, 403)


def test_only_a_writers_post_may_write() -> None:
    """A GET reads, whoever asks."""
    assert ask("/", basic("heddle_writer", "w")).may_write
    assert not ask("/", basic("heddle_writer", "w"), "GET").may_write
    assert not ask("/", basic("heddle_reader", "r")).may_write


def test_parameters_and_settings_are_sorted_out() -> None:
    """The HTTP side's own parameters are no settings; `param_` ones are values."""
    target = "/?query=SELECT+1&param_a=it%27s&max_threads=3&session_id=x&default_format=CSV"
    question = ask(target, basic("heddle_writer", "w"))
    assert question.params == {"a": "it's"}
    assert question.settings == {"max_threads": "3"}
    assert question.form == "CSV"
    assert "w" not in repr(PASSWORDS).replace("Passwords", "")


def test_a_setting_is_a_plain_name() -> None:
    """Names go into SQL text; anything else is refused before."""
    with pytest.raises(Fault):
        ask(f"/?{quote('a = 1, readonly')}=0", basic("heddle_writer", "w"))


def test_the_engines_errors_keep_number_and_name() -> None:
    """Drivers act on the number, people on the sentence; the version's trailer says neither."""
    text = "Code: 60. DB::Exception: Unknown table 'x'. (UNKNOWN_TABLE) (version 26.9.2.1)"
    fault = from_engine(text)
    assert (fault.code, fault.name, fault.status) == (60, "UNKNOWN_TABLE", 404)
    assert fault.message == "Unknown table 'x'."
    assert from_engine("something else").code == 1002
    assert from_engine("").status == 500


def test_a_tenants_reader_is_told_by_name_and_password() -> None:
    """Each to its own tenant; nobody else has one."""
    question = ask("/", basic("heddle_reader_mill", "m"))
    assert (question.role, question.tenant, question.may_write) == ("reader", "mill", False)
    assert ask("/", basic("heddle_reader", "r")).tenant == ""
    assert ask("/", basic("heddle_writer", "w")).tenant == ""


def test_passwords_of_tenants_are_read_from_lines_or_commas() -> None:
    """A password may hold an equals sign; empty lines are none."""
    assert read_tenants("acme=a=b\n\n mill=m ,loom=l") == {"acme": "a=b", "mill": "m", "loom": "l"}
    assert read_tenants("") == {}


@pytest.mark.parametrize("text", ["acme", "acme=", "=x", "a'c=x", "acme=x,acme=y", "Acme=x"])
def test_a_wrong_entry_is_named_by_number_and_never_quoted(text: str) -> None:
    """The text is a secret, and a tenant's name goes into a filter."""
    with pytest.raises(Unusable, match=r"entry \d+") as refusal:
        read_tenants(text)
    assert text not in str(refusal.value).replace("tenant=password", "")
