"""Catalogue files that break the rules: each fault names entry, field and what is accepted."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.loading import built_in
from gateway.catalogue.problems import ListingRefused
from gateway.catalogue.reader import MOST_BYTES, outside, read_listing

GOOD: dict[str, Any] = {
    "key": '"X-1"',
    "exchange": '"SSE"',
    "title": '"接口"',
    "purpose": '"TRADING"',
    "address": '"https://example.com/1"',
}


def spec(**changes: str | None) -> str:
    """An entry of interface_specs; None leaves a field out."""
    fields = {**GOOD, **changes}
    lines = [f"{name} = {value}" for name, value in fields.items() if value is not None]
    return "\n".join(["[[interface_specs]]", *lines, ""])


def refused(text: str | bytes) -> list[tuple[str, str]]:
    """The entries and fields of all that is wrong."""
    with pytest.raises(ListingRefused) as caught:
        read_listing(text if isinstance(text, bytes) else text.encode())
    for problem in caught.value.problems:
        assert problem.reason
        assert problem.reason_zh
        assert problem.accepted
        assert problem.where in problem.text()
        assert problem.text().isprintable()
        assert len(problem.text()) < 1000
    return [(problem.entry, problem.field) for problem in caught.value.problems]


def test_a_whole_entry_is_read() -> None:
    text = spec(
        code='"IS1"',
        protocols='["STEP", "BINARY"]',
        version='"V1"',
        date="2022-10-20",
        supersedes='"X-0"',
    )
    (found,) = read_listing(text.encode()).specs
    assert (found.key, found.published_on, found.supersedes) == ("X-1", date(2022, 10, 20), "X-0")
    assert [one.name for one in found.protocols] == ["STEP", "BINARY"]
    assert outside(read_listing(text.encode())) == ["SSE", "X-0"]


@pytest.mark.parametrize("field", GOOD)
def test_a_missing_field_is_told(field: str) -> None:
    entry = "interface_specs number 1" if field == "key" else "interface_specs X-1"
    assert refused(spec(**{field: None})) == [(entry, field)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", '"a b"'), ("key", '""'), ("key", f'"{"x" * 65}"'), ("key", '"é"'), ("key", "1"),
        ("exchange", '"S.E"'), ("exchange", '["SSE"]'),
        ("title", '""'), ("title", '" x"'), ("title", '"a||b"'), ("title", r'"a\nb"'),
        ("title", r'"a\u0000b"'), ("title", f'"{"长" * 256}"'), ("title", "true"),
        ("purpose", '"trading"'), ("purpose", '"OTHER"'), ("purpose", "1"),
        ("address", '"ftp://example.com"'), ("address", '"//example.com"'), ("address", '"https://"'),
        ("address", '"https://a b"'), ("address", '"javascript:alert(1)"'), ("address", '"https://["'),
        ("address", f'"https://x/{"y" * 1024}"'),
        ("code", '"IS 1"'), ("version", '"1||2"'), ("version", "1.61"),
        ("protocols", '["HTTP"]'), ("protocols", '"STEP"'), ("protocols", '["STEP", "STEP"]'),
        ("protocols", "[1]"),
        ("date", '"2022-10-20"'), ("date", "2022-10-20T00:00:00Z"), ("date", "20221020"),
        ("supersedes", '"a b"'), ("supersedes", "3"),
        ("editor", '"x"'), ("Title", '"x"'),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told(field: str, value: str) -> None:
    ((entry, where),) = refused(spec(**{field: value}))
    assert entry.startswith("interface_specs ")
    assert where == field


def test_accepted_values_are_listed() -> None:
    with pytest.raises(ListingRefused) as caught:
        read_listing(spec(purpose='"x"', protocols='["x"]').encode())
    purpose, protocols = sorted((p.field, p.accepted) for p in caught.value.problems)[::-1]
    for name in ("TRADING", "MARKET_DATA", "STATIC", "HISTORICAL", "REFERENCE"):
        assert name in purpose[1]
    for name in ("STEP", "BINARY", "CSV", "WEB_API", "MULTICAST", "FILE_EXCHANGE"):
        assert name in protocols[1]
    assert caught.value.exit_code == 1
    assert "1 more" in caught.value.message("en")
    assert "另有1处" in caught.value.message("zh")


def test_all_faults_are_told_together() -> None:
    exchange = '[[exchanges]]\ncode = "S"\nkind = "BANK"\n[[exchanges.pages]]\ntitle = "t"\n'
    product = '[[products]]\nname = "P"\nlicensor = "X"\ninterface_specs = [1]\n'
    assert refused(exchange + spec(title=None, date='"x"') + product) == [
        ("exchanges S", "name"),
        ("exchanges S", "kind"),
        ("exchanges S pages 1", "address"),
        ("interface_specs X-1", "title"),
        ("interface_specs X-1", "date"),
        ("products P", "interface_specs"),
    ]


def test_entries_that_stand_twice() -> None:
    assert refused(spec() + spec()) == [("interface_specs X-1", "key")]
    exchange = '[[exchanges]]\ncode = "S"\nname = "s"\n'
    assert refused(exchange * 2) == [("exchanges S", "code")]
    page = '[[exchanges.pages]]\ntitle = "t"\naddress = "https://x/"\n'
    assert refused(exchange + page * 2) == [("exchanges S", "pages")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"# nothing\n",
        b"[[interface_specs",
        spec().encode()[:-30],
        '[[exchanges]]\nname = "上交所"'.encode("gb18030"),
        b"\xff\xfe",
        b"a = 2022-02-30",
        b"x = " + b"[" * 100_000,
        b"#" * (MOST_BYTES + 1),
    ],
    ids=["empty", "comment", "no end", "cut", "GB18030", "UTF-16", "no day", "deep", "huge"],
)
def test_what_is_no_catalogue(data: bytes) -> None:
    assert refused(data) == [("file", "")]


def test_tables_that_do_not_exist() -> None:
    assert refused("[[exchange]]\n" + spec()) == [("file", "exchange")]
    assert refused('interface_specs = "x"') == [("file", "interface_specs")]
    assert refused("interface_specs = [1]") == [("file", "interface_specs")]


def test_a_byte_order_mark_is_accepted() -> None:
    assert read_listing(spec().encode("utf-8-sig")).specs


# supersedes


def chain(*links: tuple[str, str | None], **more: str) -> str:
    return "".join(
        spec(key=f'"{key}"', supersedes=None if before is None else f'"{before}"', **more)
        for key, before in links
    )


def test_a_chain_is_accepted_in_any_order() -> None:
    links = [("C", "B"), ("A", None), ("B", "A")]
    assert len(read_listing(chain(*links).encode()).specs) == 3


def test_a_fork_is_told_with_the_current_edition() -> None:
    text = chain(("A", None), ("B", "A"), ("C", "B"), ("D", "A"))
    with pytest.raises(ListingRefused) as caught:
        read_listing(text.encode())
    told = {problem.entry: problem.accepted for problem in caught.value.problems}
    assert set(told) == {"interface_specs B", "interface_specs D"}
    assert told["interface_specs D"] == "the current edition, C"


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_circle_is_told(length: int) -> None:
    keys = [f"K{i}" for i in range(length)]
    text = chain(*zip(keys, [*keys[1:], keys[0]], strict=True), ("AFTER", None))
    found = refused(text)
    assert sorted(found) == [(f"interface_specs {key}", "supersedes") for key in keys]


def test_another_exchanges_edition_and_an_earlier_date() -> None:
    other = spec(key='"A"', exchange='"SZSE"')
    assert refused(other + spec(key='"B"', supersedes='"A"')) == [
        ("interface_specs B", "supersedes")
    ]
    old = spec(key='"A"', date="2022-10-20")
    assert refused(old + spec(key='"B"', supersedes='"A"', date="2022-10-19")) == [
        ("interface_specs B", "date")
    ]
    assert read_listing((old + spec(key='"B"', supersedes='"A"', date="2022-10-20")).encode())


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_no_bytes_are_a_fault_of_the_reader(data: bytes) -> None:
    with pytest.raises(ListingRefused):
        read_listing(data)


def test_a_file_that_is_cut_is_refused_or_whole_to_there() -> None:
    data, whole = built_in(), read_listing(built_in())
    refusals = 0
    for length in range(0, len(data), 97):
        try:
            found = read_listing(data[:length])
        except ListingRefused:
            refusals += 1
        else:
            assert found.exchanges == whole.exchanges[: len(found.exchanges)]
            assert found.specs == whole.specs[: len(found.specs)]
    assert refusals > 50
