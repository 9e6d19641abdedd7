"""A question posted as a form: drivers do it when the parameters are too long for an address.

Data of external tables are declined: the ledger's tables are the only ones.
"""

from __future__ import annotations

from dataclasses import replace
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from .faults import BAD_ARGUMENTS, NOT_IMPLEMENTED, QUERY_IS_TOO_LARGE, fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .question import Question

FORM_BYTES_MAX = 4 * 1024 * 1024


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether the body holds fields instead of SQL."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("multipart/form-data", "application/x-www-form-urlencoded")


def with_form(question: Question, headers: Mapping[str, str], body: Iterable[bytes]) -> Question:
    """The question with `query` and `param_*` taken from the fields. Raises Fault."""
    raw = bytearray()
    for block in body:
        raw += block
        if len(raw) > FORM_BYTES_MAX:
            raise fault(QUERY_IS_TOO_LARGE, f"the form is longer than {FORM_BYTES_MAX} bytes")
    kind = headers["content-type"]
    if kind.lower().startswith("multipart/"):
        fields = dict(_parts(kind, bytes(raw)))
    else:
        # curl --data posts SQL under this type, too.
        fields = dict(parse_qsl(raw.decode(errors="replace"), max_num_fields=500))
        if "query" not in fields:
            return replace(question, sql=f"{question.sql}\n{raw.decode(errors='replace')}")
    params = {k.removeprefix("param_"): v for k, v in fields.items() if k.startswith("param_")}
    return replace(
        question,
        sql=question.sql + fields.get("query", ""),
        params={**question.params, **params},
    )


def _parts(kind: str, raw: bytes) -> Iterator[tuple[str, str]]:
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + raw)
    if not message.is_multipart():
        raise fault(BAD_ARGUMENTS, "the form has no parts")
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is not None:
            raise fault(NOT_IMPLEMENTED, "external tables are not supported")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, content.decode(errors="replace")
