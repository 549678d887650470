"""Exporting to a file: whole under its name, or not there at all."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.errors import BadInput
from gateway.exports.stream import Receipt, Sink


async def to_file(path: Path, write: Callable[[Sink], Awaitable[Receipt]]) -> Receipt:
    """Let `write` fill a file beside the path, and give it the path's name when it is complete."""
    part = Path(f"{path}.{os.getpid()}.part")
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        file = part.open("wb")
    except OSError as error:
        raise BadInput(
            f"{path}: {error.strerror}",
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
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return receipt
