"""Makes `docs/report-sample.html`: `python -m tests.services.ledger_sample FILE`.

Thirty days of a made-up house, drawn from hashes, so that the same days give the same figures: a
stable model, and from the twentieth day on a better and slightly dearer canary.
"""

# ruff: noqa: S608 - its SQL is put together from its own constants.

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from analytics.link import Address, Link
from analytics.report import gather, page
from tests.services.ledger_child import READER_PASSWORD, WRITER_PASSWORD, running
from tests.services.ledger_lives import refresh

DAYS = 30
PATTERNS = 6_000
DRAWN = f"""
    SELECT
        concat('s', toString(number)) AS request_id, 1 AS ordinal, 1 AS variations,
        ['acme', 'mill', 'loom'][number % 3 + 1] AS tenant,
        ['draft', 'standard', 'standard', 'premium'][number % 4 + 1] AS tier,
        toStartOfDay(now('UTC')) - INTERVAL {DAYS} DAY + toIntervalSecond(
            intDiv(number * {DAYS} * 86400, {PATTERNS})) AS asked_at,
        cityHash64(number) % 1000 / 1000 AS chance,
        number > {PATTERNS} * 2 / 3 AND cityHash64(number, 'arm') % 4 = 0 AS is_canary,
        if(is_canary, '2', '1') AS version, if(is_canary, 'canary', 'stable') AS arm,
        cityHash64(number, 'fail') % 25 = 0 AS is_failed,
        if(cityHash64(number, 'again') % 8 = 0, 2, 1) AS attempts,
        if(tier = 'draft', 4, if(tier = 'premium', 14, 8)) * (1 + chance / 2) AS made_s,
        made_s * (1 + (cityHash64(number, 'wait') % 100) / 20) AS waited_s
    FROM numbers({PATTERNS})"""
COLUMNS = "request_id, ordinal, variations, tenant, tier, 'swatch', version, 'wallpaper', arm"
NAMED = "request_id, ordinal, variations, tenant, tier, model, version, recipe, arm"
FILLS = (
    f"""INSERT INTO raw_routed ({NAMED}, requested_at, event_id, _timestamp)
    SELECT {COLUMNS}, asked_at, concat(request_id, '/r'), asked_at + toIntervalMillisecond(180)
    FROM ({DRAWN})""",
    f"""INSERT INTO raw_generated ({NAMED}, requested_at, event_id, generated_at, attempt,
        tile_bytes)
    SELECT {COLUMNS}, asked_at, concat(request_id, '/g'),
        asked_at + toIntervalMillisecond(toUInt64(waited_s * 1000)), attempts, 400000
    FROM ({DRAWN}) WHERE NOT is_failed""",
    f"""INSERT INTO raw_published ({NAMED}, requested_at, event_id, generated_at, published_at,
        attempt, files, files_bytes)
    SELECT {COLUMNS}, asked_at, concat(request_id, '/p'),
        asked_at + toIntervalMillisecond(toUInt64(waited_s * 1000)),
        asked_at + toIntervalMillisecond(toUInt64(waited_s * 1000 + 900 + chance * 2000)),
        attempts, 6, 5000000
    FROM ({DRAWN}) WHERE NOT is_failed""",
    f"""INSERT INTO raw_failed ({NAMED}, requested_at, event_id, failed_at, stage, outcome, field)
    SELECT {COLUMNS}, asked_at, concat(request_id, '/f'), asked_at + 60, 'generate', 'failed',
        'seam_p'
    FROM ({DRAWN}) WHERE is_failed""",
    f"""INSERT INTO raw_feedback (request_id, ordinal, tenant, kind, happened_at, event_id)
    SELECT request_id, 1, tenant, if(chance < if(is_canary, 0.71, 0.58), 'accepted', 'rejected'),
        asked_at + 7200, concat(request_id, '/v')
    FROM ({DRAWN})
    WHERE NOT is_failed AND cityHash64(request_id, 'word') % 100 <
        80 - greatest(0, 60 - 20 * dateDiff('day', asked_at, now('UTC')))""",
    f"""INSERT INTO usage_shares (request_id, ordinal, attempt, event_id, piece, duration_us,
        started_at, price_id, price_per_hour, currency, stage, pool, device, incarnation)
    SELECT request_id, 1, attempt, concat(request_id, '/', toString(attempt)), 0,
        toUInt64(made_s * 1000000 * if(is_canary, 1.08, 1)), asked_at + 2, 'l4-2026', 0.71, 'EUR',
        'generate', 'default', 'NVIDIA L4', 'w'
    FROM ({DRAWN}) ARRAY JOIN range(1, if(is_failed, 4, attempts + 1)) AS attempt""",
    f"""INSERT INTO raw_usage (event_id, incarnation, interval, worker, stage, pool, device, state,
        started_at, duration_us, price_id, price_per_hour, currency)
    SELECT concat('i', toString(number)), 'w', number, 'w', 'generate', 'default', 'NVIDIA L4',
        ['busy', 'idle', 'loading'][number % 3 + 1],
        toStartOfDay(now('UTC')) - INTERVAL {DAYS} DAY + toIntervalDay(intDiv(number, 3)),
        [2400, 900 + cityHash64(number) % 1500, 120][number % 3 + 1] * 1000000,
        'l4-2026', 0.71, 'EUR'
    FROM numbers({DAYS * 3})""",
)


def main() -> int:
    """Start a ledger, fill it, write the page."""
    with (
        tempfile.TemporaryDirectory(prefix="heddle-sample-") as folder,
        running(Path(folder) / "data") as ledger,
    ):
        writer = Link(Address(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD))
        for sql in FILLS:
            writer.execute(sql)
        writer.close()
        refresh(ledger)
        reader = Address(url=ledger.url, user="heddle_reader", password=READER_PASSWORD)
        text = page(gather(reader, tenant="", days=DAYS + 1))
    Path(sys.argv[1]).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
