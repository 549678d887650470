"""Refusals: every bad line told once, and nothing at all changed."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
from market import BASIC, ENHANCED, FOREIGN, PRODUCTS, found, load, operator
from naive.strategies import random_roster

from gateway.app.house import House
from gateway.config.clock import today
from gateway.db.embedded import SERVICE, EmbeddedPostgres
from gateway.errors import NotFound, Refused, Unavailable
from gateway.intake.problems import BadLine, Rule
from gateway.intake.run import Mode, Outcome, import_users
from gateway.intake.sources import CHUNK, FileSource
from gateway.regulation.layouts import DOWNLOAD

GOOD = f"u{{}}||甲||个人||全价用户||20250101||0||{ENHANCED}||Web||深圳||李||110"
HEADER = "||".join(DOWNLOAD.headings)
BAD: dict[str, tuple[str, Rule]] = {
    "ten fields": (GOOD.format("x").removesuffix("||110"), Rule.FIELD_COUNT),
    "twelve fields": (GOOD.format("x") + "||正常使用", Rule.FIELD_COUNT),
    "an empty line": ("", Rule.FIELD_COUNT),
    "an empty field": (GOOD.format("x").replace("深圳", ""), Rule.EMPTY),
    "no user ID": (GOOD.format("x").replace("ux", "0"), Rule.MISSING),
    "a long user ID": (GOOD.format("x" * 31), Rule.TOO_LONG),
    "a tab": (GOOD.format("x").replace("甲", "甲\t乙"), Rule.CONTROL_CHARACTER),
    "a bar at an edge": (GOOD.format("x").replace("甲", "甲|"), Rule.BAR_AT_EDGE),
    "an unknown category": (GOOD.format("x").replace("全价用户", "半价用户"), Rule.UNKNOWN_CODE),
    "no such day": (GOOD.format("x").replace("20250101", "20250229"), Rule.BAD_DATE),
    "an end too early": (GOOD.format("x").replace("||0||", "||20241231||"), Rule.END_BEFORE_START),
    "an unknown product": (GOOD.format("x").replace(ENHANCED, "增强"), Rule.UNKNOWN_PRODUCT),
    "an earlier line's key": (GOOD.format(0), Rule.DUPLICATE_KEY),
}


@pytest.fixture
async def admin(server: EmbeddedPostgres, database: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection: past every wall."""
    connection = await asyncpg.connect(server.url("postgres", database))
    yield connection
    await connection.close()


async def row_versions(admin: asyncpg.Connection) -> dict[str, list[tuple[str, str]]]:
    """Where every row of every table lies and which transaction wrote it: any write shows.

    The log's lines of refused imports and dry runs are to be there and do not count.
    """
    apart = "action NOT IN ('import.users.refused', 'import.users.dry_run')"
    tables = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {
        table: [
            tuple(row)
            for row in await admin.fetch(
                f'SELECT ctid::text, xmin::text FROM "{table}"'
                f" WHERE {apart if table == 'audit_events' else 'true'} ORDER BY 1"
            )
        ]
        for (table,) in tables
        if table != "audit_checkpoints"  # each of those lines has one
    }


@pytest.fixture
async def standing(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> dict[str, list[tuple[str, str]]]:
    """The state with a vendor A that has a roster already."""
    await found(house, "A")
    await load(house, "A", [GOOD.format(i) for i in range(3)], tmp_path)
    return await row_versions(admin)


async def refused(
    house: House, place: Path, lines: Iterable[str] | bytes, mode: Mode = Mode.SNAPSHOT
) -> list[BadLine]:
    """Import what must be refused; return the lines reported."""
    bad: list[BadLine] = []
    with pytest.raises(Refused) as error:
        await load(house, "A", lines, place, mode, bad=bad)
    assert error.value.en.startswith((f"{len(bad)} of ", "the file has no lines"))
    return bad


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("fault", BAD)
async def test_one_bad_line_refuses_the_file(
    house: House,
    admin: asyncpg.Connection,
    standing: object,
    tmp_path: Path,
    mode: Mode,
    fault: str,
) -> None:
    text, rule = BAD[fault]
    lines = [GOOD.format(0), GOOD.format("new"), text, GOOD.format("newer")]
    (bad,) = await refused(house, tmp_path, lines, mode)
    assert (bad.number, bad.text) == (3, text)
    assert [problem.rule for problem in bad.problems] == [rule]
    assert await row_versions(admin) == standing


async def test_every_bad_line_is_told_once_in_order(
    house: House, admin: asyncpg.Connection, standing: object, tmp_path: Path
) -> None:
    lines, expected = [GOOD.format(0)], []
    for i, (text, rule) in enumerate(BAD.values()):
        lines += [GOOD.format(f"good{i}"), text]
        expected.append((len(lines), text, [rule]))
    bad = await refused(house, tmp_path, lines)
    assert [
        (one.number, one.text, [problem.rule for problem in one.problems]) for one in bad
    ] == expected
    assert await row_versions(admin) == standing


async def test_a_lines_faults_are_all_told_with_their_columns(
    house: House, standing: object, tmp_path: Path
) -> None:
    text = f"||甲||人||全价用户||2025-01-01||0||{ENHANCED}||Web||深圳||李||{'1' * 15}"
    (bad,) = await refused(house, tmp_path, [GOOD.format(0), text])
    assert [(problem.column, problem.heading, problem.rule) for problem in bad.problems] == [
        (1, "用户ID", Rule.EMPTY),
        (3, "用户类型", Rule.UNKNOWN_CODE),
        (5, "服务起始日", Rule.BAD_DATE),
        (11, "联系电话", Rule.TOO_LONG),
    ]


async def test_an_unknown_product_is_answered_with_the_known_ones(
    house: House, standing: object, tmp_path: Path
) -> None:
    (bad,) = await refused(house, tmp_path, [GOOD.format(0).replace(ENHANCED, "增强")])
    (problem,) = bad.problems
    assert (problem.column, problem.value) == (7, "增强")
    assert problem.accepted == " / ".join(sorted([ENHANCED, BASIC, FOREIGN]))


async def test_a_repeated_key_names_the_earlier_line(
    house: House, standing: object, tmp_path: Path
) -> None:
    again = GOOD.format(1).replace("全价用户", "试用用户")
    lines = [HEADER, GOOD.format(0), GOOD.format(1), GOOD.format(2), again, again]
    bad = await refused(house, tmp_path, lines)
    assert [one.number for one in bad] == [5, 6]
    assert all(one.problems[0].accepted.endswith("(see line 3)") for one in bad)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", f"{HEADER}\n".encode()])
async def test_an_empty_file_is_refused(
    house: House,
    admin: asyncpg.Connection,
    standing: object,
    tmp_path: Path,
    mode: Mode,
    data: bytes,
) -> None:
    """Else an empty snapshot would end the whole roster."""
    (bad,) = await refused(house, tmp_path, data, mode)
    assert [problem.rule for problem in bad.problems] == [Rule.EMPTY_FILE]
    assert await row_versions(admin) == standing


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_file_cut_in_its_last_line_is_refused(
    house: House,
    admin: asyncpg.Connection,
    standing: object,
    tmp_path: Path,
    encoding: str,
    end: str,
) -> None:
    whole = "".join(GOOD.format(i) + end for i in range(3)).encode(encoding)
    last = len((GOOD.format(2) + end).encode(encoding))
    for missing in range(1, last):
        (bad,) = await refused(house, tmp_path, whole[:-missing])
        assert bad.number == 3
        # A character cut in two is no text; all else only lacks its end.
        assert bad.problems[0].rule in (Rule.UNTERMINATED_LINE, Rule.ENCODING)
    assert await row_versions(admin) == standing


# Large files: several blocks, the copy under way


def large() -> list[str]:
    """More than two chunks of lines."""
    roster = random_roster(random.Random(1), today(), PRODUCTS, 7000)
    lines = [record.line() for record in roster][:20_000]
    assert len("\n".join(lines).encode()) > 2 * CHUNK
    return lines


@pytest.mark.parametrize("at", [1, 10_000, 20_000])
async def test_one_bad_line_in_twenty_thousand_is_named(
    house: House, admin: asyncpg.Connection, standing: object, tmp_path: Path, at: int
) -> None:
    lines = large()
    lines[at - 1] = lines[at - 1].replace("||20", "||19a", 1)
    (bad,) = await refused(house, tmp_path, lines)
    assert (bad.number, bad.text) == (at, lines[at - 1])
    assert [(problem.column, problem.rule) for problem in bad.problems] == [(5, Rule.BAD_DATE)]
    assert await row_versions(admin) == standing


async def test_a_key_is_remembered_to_the_end_of_a_large_file(
    house: House, admin: asyncpg.Connection, standing: object, tmp_path: Path
) -> None:
    lines = large()
    (bad,) = await refused(house, tmp_path, [*lines, lines[6]])
    assert (bad.number, bad.problems[0].rule) == (20_001, Rule.DUPLICATE_KEY)
    assert bad.problems[0].accepted.endswith("(see line 7)")
    assert await row_versions(admin) == standing


# Nobody there, and a database that goes away


@pytest.mark.parametrize("vendor", ["B", "a", ""])
async def test_an_unknown_vendor_is_not_found(
    house: House, admin: asyncpg.Connection, standing: object, tmp_path: Path, vendor: str
) -> None:
    with pytest.raises(NotFound):
        await load(house, vendor, [GOOD.format(0)], tmp_path)
    assert await row_versions(admin) == standing


async def kill(connection: asyncpg.Connection) -> bool:
    """End the gateway's connections; say whether there were any."""
    return await connection.fetchval(
        "SELECT coalesce(bool_and(pg_terminate_backend(pid, 10000)), false) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = $1",
        SERVICE,
    )


async def lose_in_the_copy(house: House, address: str, path: Path) -> BaseException:
    """Import a large file, the connection lost after the first block; return what is raised."""
    killed: list[bool] = []

    async def connect_and_kill() -> bool:
        connection = await asyncpg.connect(address)
        try:
            return await kill(connection)
        finally:
            await connection.close()

    def progress(_: int) -> None:
        if not killed:
            # In a thread: the importer stands still until its connection is gone.
            with ThreadPoolExecutor(1) as thread:
                killed.append(thread.submit(asyncio.run, connect_and_kill()).result())

    scope, source = await operator(house), FileSource(path, progress=progress)
    (error,) = await asyncio.gather(
        import_users(house.service, scope, "A", source, Mode.SNAPSHOT, report=print),
        return_exceptions=True,
    )
    assert killed == [True]
    assert isinstance(error, BaseException)
    return error


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    path = tmp_path / "large.txt"
    path.write_text("".join(f"{line}\n" for line in large()), encoding="utf-8")
    return path


async def test_a_connection_lost_in_the_copy_changes_nothing_and_the_next_try_works(
    house: House,
    server: EmbeddedPostgres,
    database: str,
    admin: asyncpg.Connection,
    standing: object,
    large_file: Path,
) -> None:
    await lose_in_the_copy(house, server.url("postgres", database), large_file)
    assert await row_versions(admin) == standing
    again = await load(house, "A", large(), large_file.parent)
    assert (again.batch, again.change.added) == (2, 20_000)


async def test_a_connection_lost_in_the_copy_is_told_as_unavailable(
    house: House, server: EmbeddedPostgres, database: str, standing: object, large_file: Path
) -> None:
    error = await lose_in_the_copy(house, server.url("postgres", database), large_file)
    assert isinstance(error, Unavailable), repr(error)


@asynccontextmanager
async def held_up(
    house: House, admin: asyncpg.Connection, lines: list[str], place: Path
) -> AsyncIterator[asyncio.Task[Outcome]]:
    """An import that has begun to merge and waits: readers pass, writers do not."""
    async with admin.transaction():
        await admin.execute("LOCK TABLE monthly_deltas IN EXCLUSIVE MODE")
        importing = asyncio.create_task(load(house, "A", lines, place))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        async with asyncio.timeout(60):
            while not await admin.fetchval(waiting):
                await asyncio.sleep(0.01)
        yield importing


MENDED = [GOOD.format(1).replace("||0||", "||20250630||"), GOOD.format("new")]


async def test_a_connection_lost_in_the_merge_changes_nothing_and_the_next_try_works(
    house: House, admin: asyncpg.Connection, standing: object, tmp_path: Path
) -> None:
    async with held_up(house, admin, MENDED, tmp_path) as importing:
        assert await kill(admin)
        with pytest.raises(Unavailable):
            await importing
    assert await row_versions(admin) == standing
    again = await load(house, "A", MENDED, tmp_path)
    assert (again.batch, again.change.added, again.change.changed) == (2, 1, 1)


async def test_a_cancelled_import_changes_nothing_and_the_next_try_works(
    house: House, admin: asyncpg.Connection, standing: object, tmp_path: Path
) -> None:
    async with held_up(house, admin, MENDED, tmp_path) as importing:
        importing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await importing
    assert await row_versions(admin) == standing
    again = await load(house, "A", MENDED, tmp_path)
    assert (again.batch, again.change.added, again.change.changed) == (2, 1, 1)


@pytest.mark.parametrize("connections", [1, 4])
async def test_connections_lost_between_imports_are_replaced(
    house: House,
    admin: asyncpg.Connection,
    standing: object,
    tmp_path: Path,
    connections: int,
) -> None:
    """As when the database was restarted: at most the first to notice fails, and says why."""
    lines, paths = [GOOD.format(0)], [tmp_path / str(i) for i in range(connections)]
    for path in paths:
        path.mkdir()
    await asyncio.gather(*(load(house, "A", lines, path) for path in paths))
    assert await kill(admin)
    with suppress(Unavailable):
        await load(house, "A", lines, tmp_path)
    again = await load(house, "A", [GOOD.format(1)], tmp_path)
    assert again.batch is not None
