"""Migrations: numbered, forward only, applied once, and never on a database from the future."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from analytics.contract import VIEWS
from analytics.migrate import migrate, migrations, rendered, script, split
from schemas.errors import Unusable

BETWEEN = {
    "lives", "price_of_day", "spent_shares", "load_of_day", "tails", "machine_spans", "lives_made"
}  # fmt: skip
"""Views between the tables and the documented ones: hidden, and ours to change."""


class Database:
    """Remembers statements and answers the two questions that migrate asks."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.notes: dict[int, str] = {}
        self.engine = "ReplacingMergeTree"

    def execute(self, sql: str) -> Sequence[Sequence[object]]:
        self.statements.append(sql)
        if "FROM system.tables" in sql:
            return [(self.engine,)]
        if sql.startswith("SELECT"):
            return sorted(self.notes.items())
        if note := re.search(r"VALUES \((\d+), '[^']+', '([0-9a-f]{64})'\)", sql):
            self.notes[int(note[1])] = note[2]
        return []


def test_files_are_numbered_without_gaps() -> None:
    """The order is the files' names; a gap would be a file that somebody lost."""
    numbers = [one.number for one in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_second_run_does_nothing() -> None:
    """What was noted is not run again."""
    database = Database()
    assert len(migrate(database.execute)) == len(migrations())
    assert migrate(database.execute) == ()


def test_every_statement_may_run_twice() -> None:
    """A runner that dies before its note runs the file again: nothing may then fail or change."""
    for migration in migrations():
        for statement in migration.statements:
            assert re.match(
                r"CREATE (TABLE|MATERIALIZED VIEW) IF NOT EXISTS|CREATE OR REPLACE VIEW|"
                r"ALTER TABLE \S+\s+(ADD|MODIFY) COLUMN IF (NOT )?EXISTS|DROP TABLE IF EXISTS|"
                # What comes again by itself, and words.
                r"ALTER TABLE heddle\.days_\w+ DELETE WHERE 1\s|"
                r"ALTER TABLE \S+\s+(COMMENT COLUMN|MODIFY COMMENT|ADD INDEX IF|MATERIALIZE INDEX)|"
                # Into tables that fold repetition, under their own keys.
                r"INSERT INTO (?P<raw>heddle\.raw_\w+) SELECT \* FROM (?P=raw) FINAL\s|"
                r"INSERT INTO heddle\.(usage_shares|price_rates|refusal_life)\s",
                statement,
            ), statement[:80]


def test_every_documented_view_is_made_and_commented() -> None:
    """The contract's list and the DDL agree, and each view says its grain."""
    text = "\n".join(s for one in migrations() for s in one.statements)
    assert set(re.findall(r"CREATE OR REPLACE VIEW heddle\.(\w+)", text)) == {*VIEWS, *BETWEEN}
    made = [
        s
        for one in migrations()
        for s in one.statements
        if re.match(r"CREATE OR REPLACE VIEW heddle\.(\w+) \(", s)
    ]
    assert len(made) >= len(VIEWS)
    assert all(re.search(r"COMMENT 'One row per [^']+'$", s) for s in made)


def test_every_table_is_durable_when_an_insert_is_acknowledged() -> None:
    """Without fsync an acknowledged insert would only live in the page cache."""
    for migration in migrations():
        for statement in migration.statements:
            if statement.startswith("CREATE TABLE"):  # Facts are made anew, and need none.
                assert "fsync_after_insert = 1, fsync_part_directory = 1" in statement


def test_one_source_serves_a_cluster_too() -> None:
    """Every statement names the cluster once, every table is replicated, nothing else changes."""
    for migration in migrations():
        for statement in migration.statements:
            text = rendered(statement, cluster="main")
            is_data, is_made_anew = statement.startswith("INSERT"), "\nREFRESH AFTER" in statement
            assert text.count(" ON CLUSTER 'main'") == (not is_data)
            engines = 0 if is_made_anew else statement.count("\nENGINE = ")
            assert text.count("ENGINE = Replicated") == engines
            plain = text.replace(" ON CLUSTER 'main'", "").replace("Replicated", "")
            assert plain == statement == rendered(statement)
    with pytest.raises(Unusable, match="no name"):
        rendered("CREATE x", cluster="a'b")


def test_a_changed_file_is_refused() -> None:
    """History is not rewritten: the message names the file."""
    database = Database()
    migrate(database.execute)
    database.notes[1] = "0" * 64
    with pytest.raises(Unusable, match="0001_"):
        migrate(database.execute)


def test_a_database_from_the_future_is_refused() -> None:
    """An older Heddle must not write into tables it does not know."""
    database = Database()
    migrate(database.execute)
    database.notes[9999] = "0" * 64
    with pytest.raises(Unusable, match="newer"):
        migrate(database.execute)


@pytest.mark.parametrize("cluster", ["", "main"])
def test_the_script_is_what_a_migration_of_an_empty_server_runs(cluster: str) -> None:
    """Statement by statement, notes included; whoever migrates after it finds nothing to do."""
    usual, by_hand = Database(), Database()
    migrate(usual.execute, cluster=cluster)
    asked = ("SELECT", "SYSTEM")
    ran = [one for one in usual.statements if not one.startswith(asked)]
    assert list(script(cluster=cluster)) == ran
    for statement in script(cluster=cluster):
        by_hand.execute(statement)
    assert migrate(by_hand.execute, cluster=cluster) == ()


def test_the_notes_of_a_cluster_are_read_when_they_have_arrived() -> None:
    """A replica that lags would otherwise have every migration run again."""
    database = Database()
    migrate(database.execute, cluster="main")
    arrived = database.statements.index("SYSTEM SYNC REPLICA heddle.migrations")
    (asked,) = [n for n, one in enumerate(database.statements) if one.startswith("SELECT number")]
    assert arrived < asked


def test_replicated_tables_are_not_changed_on_one_server_alone() -> None:
    """Without the cluster's name a due migration is refused; nothing due is no matter."""
    database = Database()
    migrate(database.execute, cluster="main")
    database.engine = "ReplicatedReplacingMergeTree"
    assert migrate(database.execute) == ()
    due = migrations()[-1]
    del database.notes[due.number]
    before = len(database.statements)
    with pytest.raises(Unusable, match=f"{due.name}.*HEDDLE_LEDGER_CLUSTER"):
        migrate(database.execute)
    assert not [one for one in database.statements[before:] if one in due.statements]


def test_statements_end_with_a_line_that_ends_in_a_semicolon() -> None:
    """A semicolon inside a line belongs to the statement."""
    text = "-- a\nCREATE x COMMENT 'a; b';\n\n-- c;\nCREATE y\n  z;  \n"
    assert split(text) == ("CREATE x COMMENT 'a; b'", "CREATE y\n  z")
