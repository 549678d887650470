"""Saying what a format is: as Markdown for people, as JSON for programs."""

from typing import Any

from gateway.regulation.fields import Layout
from gateway.regulation.formats.format import ReportFormat


def as_markdown(found: ReportFormat) -> str:
    """Return how the files are written, and the columns of both as tables."""
    ends = " / ".join(one or "empty" for one in found.users.fields[_end(found)].opens)
    said = {
        "Separator": "tab" if found.separator == "\t" else f"`{found.separator}`",
        "Quotation marks": found.quoting.value,
        "Spaces round separators": "accepted in imports" if found.spaces else "part of the value",
        "Encodings": ", ".join(one.value for one in found.encodings),
        "Line end": found.line_end.name,
        "Headings": "written" if found.header else "written if asked for",
        "Missing value": found.missing or "empty",
        "Open end": ends,
    }
    lines = [f"# {found}: {found.title}", ""]
    lines += [f"- {name}: {value}" for name, value in said.items()]
    for layout, optional in ((found.imports[-1], found.users), (found.monthly, found.monthly)):
        lines += ["", f"## {layout.title}", "", *_table(layout, optional)]
    return "\n".join(lines)


def as_json(found: ReportFormat) -> dict[str, Any]:
    """Return the same as an object."""
    return {
        "code": found.code,
        "version": found.version,
        "title": found.title,
        "sha256": found.digest,
        "separator": found.separator,
        "quoting": found.quoting.value,
        "spaces": found.spaces,
        "encodings": [one.value for one in found.encodings],
        "lineEnd": found.line_end.name,
        "header": found.header,
        "missing": found.missing,
        "openEnd": list(found.users.fields[_end(found)].opens),
        "users": _columns(found.imports[-1], found.users),
        "monthly": _columns(found.monthly, found.monthly),
    }


def _end(found: ReportFormat) -> int:
    return found.users.names.index("end_date")


def _columns(layout: Layout, written: Layout) -> list[dict[str, Any]]:
    return [
        {
            "field": one.name,
            "heading": one.heading,
            "accepted": one.accepted,
            "optional": one.name not in written.names,
        }
        for one in layout.fields
    ]


def _table(layout: Layout, written: Layout) -> list[str]:
    rows = [["#", "Column", "Field", "Accepted"], ["---"] * 4]
    for number, one in enumerate(_columns(layout, written), 1):
        accepted = f"{one['accepted']} (optional column)" if one["optional"] else one["accepted"]
        rows.append([str(number), one["heading"], f"`{one['field']}`", accepted])
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
