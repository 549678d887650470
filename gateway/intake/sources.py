"""Where files come from: a path, read in chunks, its digest taken on the way."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.delimited.encoding import TextEncoding
from gateway.delimited.reader import Block, Reader
from gateway.errors import BadInput

CHUNK = 1 << 20


class FileSource:
    """A file to read once. `digest` and `encoding` hold after the last block."""

    def __init__(
        self,
        path: Path,
        encoding: TextEncoding | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Take a path; it is opened when the first block is asked for."""
        self.path, self._progress = path, progress
        self._reader = Reader(encoding)
        self._sha256 = hashlib.sha256()

    @property
    def name(self) -> str:
        """The file's name as provenance keeps it."""
        return os.fsencode(self.path.name).decode("utf-8", "backslashreplace")

    @property
    def digest(self) -> bytes:
        """SHA-256 of all bytes read."""
        return self._sha256.digest()

    @property
    def encoding(self) -> TextEncoding:
        """The encoding that was named or detected."""
        return self._reader.encoding or TextEncoding.UTF_8

    def blocks(self) -> Iterator[Block]:
        """Yield the file's lines, some thousands at a time; BadInput if it can't be read."""
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    self._sha256.update(chunk)
                    yield from self._reader.decode(chunk)
                    if self._progress is not None:
                        self._progress(len(chunk))
        except (OSError, ValueError) as error:  # a path with NUL is no OSError
            raise BadInput(
                f"{self.path}: {getattr(error, 'strerror', error)}",
                f"{self.path}：无法读取",
                argument="FILE",
                accepted="a file that can be read",
            ) from error
        yield from self._reader.flush()
