"""Exporting to a file: whole under its name, or not there at all."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.errors import BadInput
from gateway.exports.stream import Receipt, Sink


async def to_file(path: Path, write: Callable[[Sink], Awaitable[Receipt]]) -> Receipt:
    """Let `write` fill a file beside the path, and give it the path's name when it is complete.

    What is no plain file, as a device or a pipe, is written to as it is: it can't be replaced.
    """
    try:
        direct = path.exists() and not path.is_file()
        place = path if direct else Path(os.path.realpath(path))
        part = place if direct else Path(f"{place}.{os.getpid()}.part")
        file = part.open("wb")
    except (OSError, ValueError) as error:  # a path with NUL is no OSError
        raise BadInput(
            f"{path}: {getattr(error, 'strerror', error)}",
            f"{path}：无法写入",
            argument="--output",
            accepted="a path that can be written",
        ) from error
    try:
        with file:

            async def sink(data: bytes) -> None:
                file.write(data)

            receipt = await write(sink)
            file.flush()
            if not direct:
                os.fsync(file.fileno())
        if not direct:
            part.replace(place)
    finally:
        if not direct:
            part.unlink(missing_ok=True)
    return receipt
