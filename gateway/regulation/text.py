"""What a value may contain: no separator, no line break, no control character (reading 4)."""

import re
from typing import Final, Literal

CONTROL: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ufeff]")
"""Control characters, the line breaks that are none, and the mark of an encoding (U+FEFF)."""

Fault = Literal["EMPTY", "CONTROL_CHARACTER", "BAR_AT_EDGE", "SEPARATOR_INSIDE", "TOO_LONG"]


def fault(value: str, below: int | None = None) -> Fault | None:
    """Return the first rule that a value breaks, or None; `below` counts characters."""
    if not value:
        return "EMPTY"
    if CONTROL.search(value):
        return "CONTROL_CHARACTER"
    if value[0] == "|" or value[-1] == "|":
        return "BAR_AT_EDGE"
    if "||" in value:
        return "SEPARATOR_INSIDE"
    if below is not None and len(value) >= below:
        return "TOO_LONG"
    return None
