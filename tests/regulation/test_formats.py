"""Format files: each error names the key, its value and what would do; what is read is whole."""

import csv
import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gateway.demo
from gateway.errors import BadInput
from gateway.regulation.dates import DateForm
from gateway.regulation.formats.reading import MAX_SIZE, builtin_formats, read_format
from gateway.regulation.layouts import SZSE_2010
from gateway.regulation.written import LineEnd, Quoting, TextEncoding

HKEX_TEXT = Path(gateway.demo.__file__).with_name("hkex-csv.toml").read_text(encoding="utf-8")
HKEX = read_format(HKEX_TEXT, "hkex-csv.toml")
TEXT = st.text(st.sampled_from(',"|a中 ;\u3000'), min_size=1, max_size=8).filter(
    lambda text: text.strip("|") == text and "||" not in text
)


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as found:
        read_format(text, "x.toml")
    return found.value


@pytest.mark.parametrize(
    ("old", "new", "where", "accepted"),
    [
        ('code = "hkex-csv"', 'code = "HKEX"', "code", "small ASCII letters"),
        ("version = 1", 'version = "1"', "version", "a whole number from 1 to 9999"),
        ("version = 1", "version = true", "version", "a whole number from 1 to 9999"),
        ("version = 1", "", "version", "a whole number"),
        ("version = 1", "version = 1\nextra = 1", "extra", "no such entry"),
        ('separator = ","', 'separator = ";;"', "file.separator", '"||", a tab'),
        ('separator = ","', 'separator = "a"', "file.separator", '"||", a tab'),
        ('separator = ","', 'separator = "-"', "file.separator", '"||", a tab'),
        ('quoting = "minimal"', 'quoting = "some"', "file.quoting", '"none" or "minimal" or "all"'),
        ('quoting = "minimal"', 'quoting = "none"', "users.columns[3].heading", "quoting"),
        ('quoting = "minimal"', 'quoting = "all"\nspaces = true', "file.spaces", "false"),
        ('encodings = ["utf-8"]', 'encodings = ["big5"]', "file.encodings", '"utf-8" or "gb18030"'),
        ('encodings = ["utf-8"]', "encodings = []", "file.encodings", "each at most once"),
        ('encodings = ["utf-8"]', 'encodings = "utf-8"', "file.encodings", "a list"),
        ('line_end = "crlf"', 'line_end = "cr"', "file.line_end", '"lf" or "crlf"'),
        ("header = true", 'header = "yes"', "file.header", "true or false"),
        ('extension = "csv"', 'extension = "../x"', "file.extension", "small letters"),
        ('missing = ""', 'missing = "a,b"', "values.missing", "no separator"),
        ('missing = ""', 'missing = "|"', "values.missing", "no separator"),
        ('missing = ""', 'missing = "2026-01-01"', "values.missing", "no date"),
        ('"9999-12-31"]', '"2099-12-31"]', "values.open_end", "unless it is 9999-12-31"),
        ('date = "yyyy-mm-dd"', 'date = "yy-mm-dd"', "values.date", "once each"),
        ('date = "yyyy-mm-dd"', 'date = "yyyy,mm,dd"', "values.date", "the separator not among"),
        ('month = "yyyy-mm"', 'month = "yyyy-mm-dd"', "values.month", "yyyy, mm once each"),
        ('"9999-12-31"]', '""]', "values.open_end", "different texts"),
        ("decimals = 2", "decimals = 1", "values.amount.decimals", "from 2 to 6"),
        ('mark = "."', 'mark = "\'"', "values.amount.mark", '"." or ","'),
        ('TRIAL = "Trial"', "", "codes.fee_category.TRIAL", "a text"),
        ('TRIAL = "Trial"', 'TRIAL = "Internal"', "codes.fee_category.TRIAL", "INTERNAL_FREE's"),
        ('TRIAL = "Trial"', 'TRIAL = "a,b"', "codes.fee_category.TRIAL", "without the separator ,"),
        ('TRIAL = "Trial"', 'TRIAL = " "', "codes.fee_category.TRIAL", "spaces at an end"),
        ('TRIAL = "Trial"', 'TRIAL = "Trial"\nGOLD = "x"', "codes.fee_category.GOLD", "FULL_PRICE"),
        ('field = "phone"', 'field = "telephone"', "users.columns[9].field", '"phone"'),
        ('field = "phone"', 'field = "address"', "users.columns[10].field", "each field once"),
        ('heading = "Fee" }', 'heading = "Class" }', "users.columns[8].heading", "user_type's"),
        ('heading = "Fee" }', 'heading = "Fee", x = 1 }', "users.columns[8].x", "no such entry"),
        ('heading = "Fee" }', 'heading = "Fee", below = 3 }', "users.columns[8].below", "than 10"),
        (
            'heading = "Fee" }',
            'heading = "Fee", optional = true }',
            "users.columns[8].optional",
            "only",
        ),
        ('heading = "From" }', 'heading = "From", below = 9 }', "users.columns[4].below", "texts"),
        (
            'heading = "To" }',
            'heading = "To", required = true }',
            "users.columns[5].required",
            "no such",
        ),
        ("below = 129 }", "below = 129, required = false }", "users.columns[3].required", "true"),
        (
            '    { field = "user_id", heading = "Subscriber ID", below = 65 },\n',
            "",
            "users.columns",
            'field = "user_id"',
        ),
        ('{ field = "month", heading = "Month" },', "", "monthly.columns", 'field = "month"'),
        ('field = "month"', 'field = "user_id"', "monthly.columns[1].field", '"month"'),
        ("[monthly]", "[monthlies]", "monthly", "a table"),
        ("[monthly]", "[monthly", "x.toml", "TOML"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_do(
    old: str, new: str, where: str, accepted: str
) -> None:
    assert old in HKEX_TEXT
    error = refused(HKEX_TEXT.replace(old, new, 1))
    assert error.argument == where
    assert accepted in (error.accepted or "")
    assert "x.toml" in error.en
    assert "x.toml" in error.zh


def test_a_file_that_is_no_format() -> None:
    assert refused("").argument == "code"
    assert refused("#" * (MAX_SIZE + 1)).accepted == f"at most {MAX_SIZE} characters"
    assert refused("a = [" * 5000).accepted == "TOML 1.0"
    assert refused("\x00").accepted == "TOML 1.0"


def test_the_built_in_format_is_the_regulations() -> None:
    assert builtin_formats() == {"szse-2010": SZSE_2010}
    assert (SZSE_2010.separator, SZSE_2010.quoting, SZSE_2010.missing) == ("||", Quoting.NONE, "0")
    assert SZSE_2010.encodings == (TextEncoding.UTF_8, TextEncoding.GB18030)
    assert (SZSE_2010.line_end, SZSE_2010.header) == (LineEnd.LF, False)


def test_the_second_format_shares_nothing_with_it() -> None:
    assert HKEX.users.names != SZSE_2010.users.names
    assert HKEX.header_line(HKEX.users) == (
        'Product,Subscriber ID,"Subscriber, full name",From,To,Class,Delivery,Fee,Telephone,Address'
    )
    assert [len(one.fields) for one in HKEX.imports] == [10, 11]
    end = HKEX.users.fields[4]
    assert end.accepted == "a calendar date yyyy-mm-dd, or empty (open)"
    assert HKEX.users.fields[5].accepted == "Non-professional / NP / Professional / P"


@given(st.lists(TEXT | st.just(""), min_size=2, max_size=6), st.sampled_from(Quoting))
def test_lines_are_read_as_they_were_written(values: list[str], quoting: Quoting) -> None:
    text = HKEX_TEXT.replace('"minimal"', f'"{quoting.value}"').replace("Subscriber, f", "F")
    found = read_format(text, "x.toml")
    if quoting is Quoting.NONE and any("," in value for value in values):
        with pytest.raises(ValueError, match="SEPARATOR_INSIDE"):
            found.line(values)
    elif quoting is Quoting.NONE:
        assert found.values(found.line(values)) == values
    else:
        line = found.line(values)
        assert found.values(line) == values
        assert next(csv.reader(io.StringIO(line), strict=True)) == values  # RFC 4180, by others


@pytest.mark.parametrize("line", ['"a', 'a"b,c', '"a"b,c', '"a",b"', '""",a', '"a" ,b'])
def test_marks_that_stand_as_they_can_not(line: str) -> None:
    assert HKEX.values(line) is None


@pytest.mark.parametrize(
    ("pattern", "written", "sql"),
    [
        ("yyyymmdd", "00010203", "YYYYMMDD"),
        ("dd/mm/yyyy", "03/02/0001", "DD/MM/YYYY"),
        ("yyyy年mm月dd日", "0001年02月03日", 'YYYY"年"MM"月"DD"日"'),
        ("mm.dd yyyy", "02.03 0001", "MM.DD YYYY"),
    ],
)
def test_forms_of_dates(pattern: str, written: str, sql: str) -> None:
    form = DateForm.of(pattern, "yyyy", "mm", "dd")
    assert form is not None
    assert form.sql == sql
    assert form.write(date(1, 2, 3)) == written
    assert form.read(written) == date(1, 2, 3)
    assert form.read(written + "0") is form.read("0" * 8) is form.read("") is None


@pytest.mark.parametrize(
    "pattern", ["", "yyyy", "yyyymmddmm", "yyyyqmmqdd", " yyyymmdd", "YYYYMMDD"]
)
def test_no_forms_of_dates(pattern: str) -> None:
    assert DateForm.of(pattern, "yyyy", "mm", "dd") is None


@given(st.dates(), st.sampled_from(("yyyymmdd", "yyyy-mm-dd", "dd.mm.yyyy")))
def test_dates_are_read_as_they_were_written(day: date, pattern: str) -> None:
    form = DateForm(pattern)
    assert form.read(form.write(day)) == day
