"""The signals that ask a program to stop, and leaving quietly when one comes."""

import signal
from types import FrameType
from typing import Final, NoReturn

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill` and service managers, a closed terminal."""
_UNTOUCHED: Final = (signal.SIG_DFL, signal.default_int_handler)


def leave_when_told() -> None:
    """From here on leave on these signals, with the shell's exit code; ignored ones stay so."""
    for number in STOPPING:
        if signal.getsignal(number) in _UNTOUCHED:
            signal.signal(number, _leave)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
