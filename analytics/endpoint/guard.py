"""What a reader may ask: one SELECT over the documented views, and what drivers ask on connecting.

The embedded engine has no users, so the endpoint is the guard. In order:

1. the engine's own parser rewrites the text (one statement, no comments, no heredocs), and what it
   wrote is what runs from here on; its format must be one of `shapes`;
2. the unresolved query tree, which evaluates nothing, must hold no table function, no function
   outside the safe families, and no name of a hidden table;
3. the resolved tree must hold no table but the allowed ones.

Beneath it lies the handle itself: limits, filters on `system`, then readonly=1 (`session`).
A tenant's reader has fewer views, and a filter on each of them: the engine adds it wherever the
view is named, under whatever alias, in subqueries and joins too, before any expression of the
question.
The readonly setting alone is not enough, all seen on chDB 26.9: it lets `SELECT ... INTO OUTFILE`
write files, `file('/etc/passwd')` as a scalar function read them, `merge()` pass every table filter
and KILL QUERY run.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from analytics.contract import DATABASE, SYSTEM_TABLES, TENANT_VIEWS, VIEWS

from .engine import escaped
from .faults import ACCESS_DENIED, BAD_ARGUMENTS, fault
from .shapes import check_form

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from .engine import Engine, Handle
    from .question import Question

_FORMAT: Final = re.compile(r"\s*\bFORMAT (?:(?P<form>\w+)|`(?P<quoted>[^`]+)`)$")
_OUTFILE: Final = re.compile(r"^\s*INTO OUTFILE\b", re.MULTILINE)
_SETTINGS: Final = re.compile(r"^\s*SETTINGS\b", re.MULTILINE)
_PARALLEL: Final = re.compile(r"^\s*PARALLEL WITH\b", re.MULTILINE)
_SELECT: Final = re.compile(r"^[\s(]*(?:SELECT|WITH)\b")
_CATALOGUE: Final = re.compile(
    rf"(?:DESCRIBE TABLE|EXISTS(?: TABLE| VIEW)?) (?:{DATABASE}\.)?(?P<view>\w+)"
    rf"|SHOW TABLES(?: FROM {DATABASE})?|SHOW DATABASES"
)
_FUNCTION: Final = re.compile(r"^\s*FUNCTION id: \d+.*, function_name: (?P<name>[^,]+), function_")
_TABLE_FUNCTION: Final = re.compile(r"^\s*TABLE_FUNCTION id: \d+")
_IDENTIFIER: Final = re.compile(r"^\s*IDENTIFIER id: \d+.*identifier: (?P<name>.+)$")
_TABLE: Final = re.compile(r"^\s*TABLE id: \d+.*table_name: (?P<name>[^,]+)")
_COMBINATORS: Final = (
    "(?:If|Array|Map|Distinct|OrNull|OrDefault|State|SimpleState|Merge|MergeState|ForEach|Resample"
    "|ArgMin|ArgMax)*"
)

SAFE_FAMILIES: Final = (
    "Null", "Comparison", "Distance", "String", "Tuple", "NumericIndexedVector", "Encoding",
    "String Search", "Arrays", "Logical", "String Splitting", "Mathematical", "Time Window",
    "Dates and Times", "URL", "Hash", "Random Number", "Bit", "IP Address", "Map", "UUID",
    "Conditional", "Bitmap", "Financial", "Type Conversion", "Arithmetic", "JSON", "Rounding",
    "String Replacement", "Time Series", "Geo", "Geo Polygon",
)  # fmt: skip
"""Families of functions that look at their arguments and nothing else. Left out: dictionaries, AI,
introspection, encryption, machine learning, internals, and `Other` but for what is named next."""
SAFE_OTHERS: Final = (
    "bar", "byteSize", "countDigits", "currentDatabase", "currentUser",
    "defaultValueOfArgumentType", "displayName", "exists", "finalizeAggregation",
    "formatReadableDecimalSize",
    "formatReadableQuantity", "formatReadableSize", "formatReadableTimeDelta", "grouping",
    "hostName", "identity", "ignore", "indexHint", "isConstant", "isDecimalOverflow", "materialize",
    "minSampleSizeContinuous", "minSampleSizeConversion", "neighbor", "parseTimeDelta",
    "rowNumberInAllBlocks", "runningAccumulate", "runningDifference", "throwIf", "toColumnTypeName",
    "toTypeName", "transform", "untuple", "uptime", "version", "visibleWidth", "lambda",
    "_CAST",
)  # fmt: skip


LOOK_S: Final = 2.0
PASSED_MAX: Final = 256
"""Questions remembered as allowed, until the next look at the tables."""
PASSED_CHARS_MAX: Final = 16_384
"""Longer questions are looked through each time."""


class Guard:
    """The rules of one engine; made after its migrations have run."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looked_s = self._changed_s = 0.0
        self._changing: set[object] = set()
        self._passed: dict[object, str] = {}
        with engine.handle() as handle:
            self._functions = _safe_functions(handle)
            self._aggregates = re.compile(f"(?:{_aggregates(handle)}){_COMBINATORS}", re.ASCII)
        self._tables = _tables(VIEWS)
        self._tenants_tables = _tables(TENANT_VIEWS)
        self._look()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Around a statement that may add tables: before it has ended, every question looks anew.

        A name that nobody knows yet is hidden too late: an error on the way to a table may quote
        what stands in it.
        """
        mark = object()
        self._changing.add(mark)
        try:
            yield
        finally:
            self._changed_s = time.monotonic()
            self._changing.discard(mark)

    def _look(self) -> None:
        """What there is to hide; again after a change, and every `LOOK_S`: the engine adds tables
        by itself."""
        now_s = time.monotonic()
        is_fresh = self._changed_s < self._looked_s and now_s - self._looked_s < LOOK_S
        if is_fresh and not self._changing:
            return
        with self._engine.handle() as handle:
            self._hidden = _hidden(handle)
            self._databases = {row[0] for row in handle.texts("SELECT name FROM system.databases")}
        self._passed = {}
        # When it began: what was added meanwhile may not have been seen.
        self._looked_s = now_s

    def checked(self, handle: Handle, sql: str, question: Question) -> str:
        """The text to run in place of `sql`. Raises Fault where the reader may not ask it.

        The same question of the same reader, asked again between two looks at the tables, has the
        same answer: dashboards repeat themselves.
        """
        self._look()
        passed, asked = self._passed, (sql, question.tenant, *sorted(question.params.items()))
        text = passed.get(asked)
        if text is None:
            text = self._looked_through(handle, sql, question)
            if len(passed) < PASSED_MAX and len(str(asked)) <= PASSED_CHARS_MAX:
                passed[asked] = text
        return text

    def _looked_through(self, handle: Handle, sql: str, question: Question) -> str:
        params = question.params
        text = self._rewritten(sql)
        body = text
        if ending := _FORMAT.search(text):
            check_form(ending["form"] or ending["quoted"])
            body = text[: ending.start()]
        if catalogue := _CATALOGUE.fullmatch(body):
            _check_catalogue(catalogue, views_of(question.tenant))
            return text
        self._check_text(body)
        tree = handle.texts(f"EXPLAIN QUERY TREE run_passes = 0 {body}", params)
        self._check_names(row[0] for row in tree)
        resolved = handle.texts(f"EXPLAIN QUERY TREE run_passes = 1 {body}", params)
        allowed = self._tenants_tables if question.tenant else self._tables
        _check_tables((row[0] for row in resolved), allowed)
        return text

    def _rewritten(self, sql: str) -> str:
        """The text as the engine's parser understands it. Raises Fault: no single statement.

        On a handle of its own: `offset` and `extremes` of the question would change this answer.
        """
        if "\0" in sql:
            raise fault(BAD_ARGUMENTS, "a query holds no NUL")
        with self._engine.handle() as handle:
            answer = handle.run(
                "SELECT formatQuery({query:String})", form="TSVRaw", params={"query": escaped(sql)}
            )
        text: str = answer.bytes().decode()
        return text.strip()

    def _check_text(self, body: str) -> None:
        if not _SELECT.match(body):
            raise fault(ACCESS_DENIED, "a reader may only SELECT")
        if _OUTFILE.search(body):
            raise fault(ACCESS_DENIED, "INTO OUTFILE is not for readers")
        if _SETTINGS.search(body):
            raise fault(ACCESS_DENIED, "SETTINGS in a query are not for readers")
        if _PARALLEL.search(body):
            raise fault(ACCESS_DENIED, "PARALLEL WITH is not for readers")
        if hidden := self._hidden.search(body):
            raise fault(ACCESS_DENIED, f"{hidden.group()} is not a documented view")

    def _check_names(self, tree: Iterable[str]) -> None:
        for line in tree:
            if _TABLE_FUNCTION.match(line):
                raise fault(ACCESS_DENIED, "table functions are not for readers")
            if (function := _FUNCTION.match(line)) and not self._is_safe(function["name"]):
                raise fault(ACCESS_DENIED, f"function {function['name']} is not for readers")
            if identifier := _IDENTIFIER.match(line):
                self._check_identifier(identifier["name"].removesuffix(", final: 1"))

    def _check_identifier(self, name: str) -> None:
        # Again, though the text was looked at: a parameter may have brought the name.
        if hidden := self._hidden.search(name):
            raise fault(ACCESS_DENIED, f"{hidden.group()} is not a documented view")
        database, dot, _ = name.partition(".")
        if dot and database in self._databases and not self._is_column(name):
            raise fault(ACCESS_DENIED, f"{name} is not a documented view")

    def _is_column(self, name: str) -> bool:
        """Whether the name is an allowed table, or a column of one."""
        return ".".join(name.split(".")[:2]) in self._tables

    def _is_safe(self, name: str) -> bool:
        return name.lower() in self._functions or self._aggregates.fullmatch(name) is not None


def views_of(tenant: str) -> tuple[str, ...]:
    """What a tenant's reader may name; with no tenant, every reader."""
    return TENANT_VIEWS if tenant else VIEWS


def _tables(views: Iterable[str]) -> set[str]:
    return {*(f"{DATABASE}.{view}" for view in views), *(f"system.{t}" for t in SYSTEM_TABLES)}


def _check_catalogue(found: re.Match[str], views: Collection[str]) -> None:
    view = found["view"]
    if view is not None and view not in views:
        raise fault(ACCESS_DENIED, f"{view} is not a documented view")


def _check_tables(tree: Iterable[str], allowed: Collection[str]) -> None:
    for line in tree:
        if _TABLE_FUNCTION.match(line):
            raise fault(ACCESS_DENIED, "table functions are not for readers")
        if (table := _TABLE.match(line)) and table["name"] not in allowed:
            raise fault(ACCESS_DENIED, f"{table['name']} is not a documented view")


def cut_to_views(tenant: str) -> str:
    """The value of `additional_table_filters`: what is to be seen of `system` and of views."""
    views = ", ".join(f"''{view}''" for view in views_of(tenant))
    columns = f"database = ''{DATABASE}'' AND table IN ({views})"
    tables = f"database = ''{DATABASE}'' AND name IN ({views})"
    databases = f"name = ''{DATABASE}''"
    filters = {"system.tables": tables, "system.columns": columns, "system.databases": databases}
    if tenant:
        # Of the letters of schemas.names.TENANT alone: nothing in it needs a second quoting.
        filters |= {f"{DATABASE}.{view}": f"tenant = ''{tenant}''" for view in TENANT_VIEWS}
    return "{" + ", ".join(f"'{name}': '{text}'" for name, text in filters.items()) + "}"


def _safe_functions(handle: Handle) -> set[str]:
    families = ", ".join(f"'{family}'" for family in SAFE_FAMILIES)
    rows = handle.texts(
        "SELECT name, alias_to, categories IN (" + families + ") FROM system.functions "  # noqa: S608
        "WHERE NOT is_aggregate AND origin = 'System'"
    )
    safe = {name for name, _, is_safe in rows if is_safe == "1"} | set(SAFE_OTHERS)
    safe |= {name for name, alias_to, _ in rows if alias_to in safe}
    return {name.lower() for name in safe}


def _aggregates(handle: Handle) -> str:
    rows = handle.texts("SELECT name FROM system.functions WHERE is_aggregate")
    return "|".join(re.escape(row[0]) for row in rows)


def _hidden(handle: Handle) -> re.Pattern[str]:
    """Every table of the database that is no documented view, as a word in the text."""
    rows = handle.texts(
        f"SELECT name FROM system.tables WHERE database = '{DATABASE}'"  # noqa: S608 - a constant.
    )
    names = sorted({row[0] for row in rows} - set(VIEWS))
    words = "|".join(re.escape(name) for name in names)
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)" if words else r"(?!)")
