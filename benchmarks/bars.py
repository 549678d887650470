"""A picture of bars: groups of them, each bar as long as its share of the group's longest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_COLUMN, _LEFT, _SPAN = 570, 200, 270
_BAR, _GAP, _TITLE = 16, 3, 24
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#57606a}"
    ".title{font-weight:600}.head{font-size:16px;font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#adbac7}}"
)


@dataclass(frozen=True, slots=True)
class Group:
    """A title, and bars: name -> value."""

    title: str
    bars: Mapping[str, float]


def picture(
    columns: Sequence[tuple[str, Sequence[Group]]], colours: Mapping[str, str], unit: str
) -> str:
    """Draw columns of groups under their heads as SVG; a bar's colour is that of its name."""
    parts: list[str] = []
    height = 0
    for number, (head, groups) in enumerate(columns):
        left, y = number * _COLUMN, 28
        parts.append(_text(left + 10, y, head, "head"))
        for group in groups:
            y += _TITLE
            parts.append(_text(left + 10, y, group.title, "title"))
            y += 7
            most = max(group.bars.values())
            for name, value in group.bars.items():
                x, length = left + _LEFT, max(2, round(_SPAN * value / most))
                shape = f'x="{x}" y="{y}" width="{length}" height="{_BAR}" rx="2"'
                parts += [
                    _text(x - 8, y + 12, name, "", "end"),
                    f'<rect {shape} fill="{colours[name]}"/>',
                    _text(x + length + 6, y + 12, f"{value:,.{0 if value >= 20 else 1}f}{unit}"),
                ]
                y += _BAR + _GAP
        height = max(height, y + 10)
    width = len(columns) * _COLUMN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"<style>{_STYLE}</style>",
            *parts,
            "</svg>",
            "",
        )
    )


def _text(x: int, y: int, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{named}>{escape(text)}</text>'
