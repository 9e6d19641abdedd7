"""The endpoint as others meet it: bare HTTP by another client, and ClickHouse's JDBC driver."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.services.ledger_child import READER_PASSWORD, WRITER_PASSWORD, Ledger, running
from tests.services.ledger_known import write_known
from tests.services.ledger_lives import writer

POM = Path("tests/contracts/jdbc/pom.xml")
JARS = Path(".parts/jdbc")
FETCH_S_MAX = 90
JAVA_S_MAX = 80


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as process:
        sink = writer(process)
        write_known(sink)
        sink.close()
        yield process


@pytest.fixture(scope="module")
def http(ledger: Ledger) -> Iterator[httpx.Client]:
    """As the reader, by Basic authentication, answers in any encoding the client likes."""
    with httpx.Client(
        base_url=ledger.url, auth=("heddle_reader", READER_PASSWORD), timeout=30
    ) as client:
        yield client


def test_a_question_in_the_address_and_one_in_the_body(http: httpx.Client) -> None:
    """GET and POST, formats by name, by default_format and in the text."""
    sql = "SELECT outcome, count() AS n FROM patterns GROUP BY outcome ORDER BY outcome"
    found = http.get("/", params={"query": sql, "default_format": "JSON"})
    assert found.headers["content-type"].startswith("application/json")
    assert found.json()["data"][0] == {"outcome": "cancelled", "n": 1}
    lines = http.post("/", content=f"{sql} FORMAT JSONEachRow").text.splitlines()
    assert json.loads(lines[-1]) == {"outcome": "published", "n": 4}
    assert http.post("/", content=sql).text.startswith("cancelled\t1\n")
    table = http.post("/", content=sql, headers={"X-ClickHouse-Format": "CSVWithNames"}).text
    assert table.startswith('"outcome","n"\n"cancelled",1\n')


def test_parameters_and_the_other_two_ways_to_say_who_one_is(ledger: Ledger) -> None:
    """`param_` in the address; ClickHouse's headers; user and password in the address."""
    query = {"query": "SELECT count() FROM patterns WHERE tenant = {t:String}", "param_t": "mill"}
    headers = {"X-ClickHouse-User": "heddle_reader", "X-ClickHouse-Key": READER_PASSWORD}
    assert httpx.get(ledger.url, params=query, headers=headers).text == "3\n"
    named = {**query, "user": "heddle_reader", "password": READER_PASSWORD}
    assert httpx.get(ledger.url, params=named).text == "3\n"


def test_refusals_carry_their_code(http: httpx.Client) -> None:
    """Header and body as a server's, so that a driver knows what to do."""
    for sql, code, status in (
        ("SELECT nonsense FROM patterns", "47", 404),
        ("SELECT * FROM pattern_life", "497", 403),
        ("SELEC 1", "62", 400),
    ):
        found = http.post("/", content=sql)
        assert found.headers["X-ClickHouse-Exception-Code"] == code
        assert found.status_code in (status, 400)
        assert f"Code: {code}. DB::Exception" in found.text


def test_compressed_answers_in_clickhouses_own_framing_are_refused_in_words(
    http: httpx.Client,
) -> None:
    """Sent plain to a client that asked for them, they would look like damage."""
    found = http.post("/", params={"compress": "1"}, content="SELECT 1")
    assert found.status_code == 501
    assert "compress=0" in found.text


def test_what_drivers_say_of_inserts_does_not_hurt_a_question(http: httpx.Client) -> None:
    """JDBC sends async_insert with everything; to a reader it means nothing."""
    found = http.post("/", params={"async_insert": "0"}, content="SELECT 1")
    assert found.text == "1\n"


def test_an_insert_in_pieces_and_gzipped(ledger: Ledger) -> None:
    """A body without a length, in chunks, compressed as HTTP has it: all rows arrive."""
    rows = "".join(f'{{"_topic":"http","_partition":1,"_offset":{n}}}\n' for n in range(1000))
    packed = gzip.compress(rows.encode())
    pieces = (packed[at : at + 700] for at in range(0, len(packed), 700))
    sql = "INSERT INTO heddle.raw_offsets (_topic, _partition, _offset) FORMAT JSONEachRow"
    with httpx.Client(
        base_url=ledger.url, auth=("heddle_writer", WRITER_PASSWORD), timeout=30
    ) as client:
        done = client.post(
            "/", params={"query": sql}, content=pieces, headers={"Content-Encoding": "gzip"}
        )
        assert done.status_code == 200
        assert json.loads(done.headers["X-ClickHouse-Summary"])["written_rows"] == "1000"
        sql = "SELECT recorded, missing FROM offsets WHERE topic = 'http'"
        assert client.post("/", content=sql).text == "1000\t0\n"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl_as_the_page_says(ledger: Ledger) -> None:
    """One line in a shell."""
    done = subprocess.run(
        ["curl", "-sS", "--user", f"heddle_reader:{READER_PASSWORD}", "--data-binary",
         "SELECT count() FROM patterns", ledger.url],
        capture_output=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout == b"7\n"


@pytest.fixture(scope="module")
def jars() -> Path:
    """The driver's jars; fetched once, where Java and Maven are."""
    if shutil.which("java") is None:
        pytest.skip("Java is not here")
    if not list(JARS.glob("clickhouse-jdbc-*.jar")):
        if shutil.which("mvn") is None:
            pytest.skip("Maven is not here to fetch the JDBC driver")
        fetched = subprocess.run(
            ["mvn", "-q", "-B", "-C", "-f", str(POM), "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={JARS.resolve()}"],
            capture_output=True, timeout=FETCH_S_MAX, check=False,
        )  # fmt: skip
        if fetched.returncode != 0:
            pytest.skip("the JDBC driver cannot be fetched here")
    return JARS


def test_the_jdbc_driver_reads_every_kind_of_column(ledger: Ledger, jars: Path) -> None:
    """Text, counts, money, times, arrays, maps and NULL through JDBC; a hidden table is refused."""
    told = (
        "SELECT pattern_id, outcome, cost, published_at, reasons, labels, is_accepted"
        " FROM patterns WHERE pattern_id IN ('a.1', 'b.2') ORDER BY pattern_id"
    )
    done = subprocess.run(
        ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*", "sqlline.SqlLine",
         "-d", "com.clickhouse.jdbc.ClickHouseDriver",
         "-u", f"jdbc:clickhouse:{ledger.url}/heddle?compress=0",
         "-n", "heddle_reader", "-p", READER_PASSWORD, "--outputformat=csv", "--silent=true",
         "-e", told, "-e", "SELECT count() FROM pattern_life"],
        capture_output=True, timeout=JAVA_S_MAX, check=False, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[1:] == [
        "'a.1','published','0.004000000000','2026-11-02T10:06:01Z[UTC]','[''colour off'']',"
        "'{season=ss27}','1'",
        "'b.2','failed','0.002000000000','','[]','{}','0'",
    ]
    assert "pattern_life is not a documented view" in done.stderr
