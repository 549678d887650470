r"""Push reader of files of lines: bytes in at any boundary, blocks of whole lines out. No I/O.

A line break byte never stands inside a character of UTF-8 or GB18030, so that cutting at line
breaks first makes every chunk boundary harmless: inside a character, between the two bars,
between `\r` and `\n`.
"""

from dataclasses import dataclass, field
from typing import Final

from gateway.delimited.encoding import (
    WINDOW,
    TextEncoding,
    detect,
    first_above_ascii,
    must_be_utf_8,
)

MAX_LINE: Final = 65_536
"""Bytes that a line may have; a statutory line has at most some 1,500."""
_BOMS: Final = ((b"\xef\xbb\xbf", TextEncoding.UTF_8), (b"\x84\x31\x95\x33", TextEncoding.GB18030))
_LONGEST_BOM: Final = 4


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive lines without their ends. `first` is the first one's number, from 1.

    `broken` names the lines that could not be read, by line number: ENCODING (bytes that are no
    text of the encoding that is named), LINE_TOO_LONG (its text is cut) or UNTERMINATED_LINE (the
    file's last, without an end).
    """

    first: int
    lines: list[str]
    broken: dict[int, str] = field(default_factory=dict)


class Reader:
    """Turn chunks of bytes into blocks of lines: `decode` each chunk, then `flush` once."""

    def __init__(self, encoding: TextEncoding | None = None) -> None:
        """Name the encoding, or leave it to be detected from the content.

        That a file is UTF-8 which is named GB18030 would not be seen line by line: most of it can
        be read as other characters. The first line above ASCII is ENCODING then.
        """
        self._named = encoding
        self.encoding: TextEncoding | None = None
        if encoding is not TextEncoding.GB18030:
            self.encoding = encoding
        self._held = bytearray()
        self._searched = 0
        self._sample = bytearray()
        self._next = 1
        self._started = False
        self._skipping = False
        self._doubted = self._misnamed = False

    def decode(self, chunk: bytes) -> list[Block]:
        """Take a chunk; return the lines that are now complete."""
        self._held += chunk
        if self._started:
            self._collect(chunk)
        return self._advance(final=False)

    def flush(self) -> list[Block]:
        """Say that the file has ended; return what is left."""
        return self._advance(final=True)

    def _advance(self, *, final: bool) -> list[Block]:
        if not self._started and not self._start(final=final):
            return []
        blocks: list[Block] = []
        self._decide(final=final)
        if self._skipping and not self._skip():
            return []
        known = len(self._held)
        if self.encoding is None and (at := first_above_ascii(self._held)) is not None:
            known = at
        self._cut(known, blocks)
        if final and self._held:
            rest = bytes(self._held)
            self._held.clear()
            lines, broken = self._texts([rest])
            broken.setdefault(self._next, "UNTERMINATED_LINE")
            blocks.append(self._block(lines, broken))
        return blocks

    def _start(self, *, final: bool) -> bool:
        if len(self._held) < _LONGEST_BOM and not final:
            return False
        for mark, encoding in _BOMS:
            if self._held.startswith(mark) and self._named in {None, encoding}:
                del self._held[: len(mark)]
                self.encoding = encoding
                break
        else:
            self._doubted = self._held.startswith(_BOMS[0][0])
        self._started = True
        self._collect(self._held)
        return True

    def _collect(self, chunk: bytes | bytearray) -> None:
        """Gather what decides the encoding: bytes from the first one above ASCII on."""
        if self.encoding is None:
            at = 0 if self._sample else first_above_ascii(chunk)
            if at is not None:
                self._sample += chunk[at : at + WINDOW]

    def _decide(self, *, final: bool) -> None:
        """Fix the encoding once enough is gathered; plain ASCII meanwhile passes on."""
        if self.encoding is not None or not (final or len(self._sample) >= WINDOW):
            return
        sample = bytes(self._sample[:WINDOW])
        if self._named is not None:
            self.encoding = self._named
            self._misnamed = must_be_utf_8(sample)
        elif sample:
            self.encoding = detect(sample)
        self._sample.clear()

    def _cut(self, end: int, blocks: list[Block]) -> None:
        """Move the whole lines before `end` out of what is held."""
        last = self._held.rfind(b"\n", self._searched, end)
        if last >= 0:
            data = bytes(self._held[:last])
            del self._held[: last + 1]
            blocks.append(self._block(*self._read(data)))
            end -= last + 1
        self._searched = end
        if len(self._held) > MAX_LINE + 1 and self._held.find(b"\n", 0, MAX_LINE + 2) < 0:
            head = bytes(self._held[:MAX_LINE])
            if self.encoding is None and not head.isascii():
                return
            lines, broken = self._texts([head])
            broken[self._next] = "LINE_TOO_LONG"
            blocks.append(self._block(lines, broken))
            self._skipping = True
            self._skip()

    def _skip(self) -> bool:
        """Drop the rest of an overlong line; say whether its end was reached."""
        self._searched = 0
        end = self._held.find(b"\n")
        if end < 0:
            self._held.clear()
            return False
        del self._held[: end + 1]
        self._skipping = False
        return True

    def _block(self, lines: list[str], broken: dict[int, str]) -> Block:
        doubted = self._doubted or self._misnamed
        if doubted and (above := _first_above_ascii_of(lines)) is not None:
            if self._misnamed or self._is_utf_8(lines[above]):
                broken = {self._next + above: "ENCODING"} | broken
            self._doubted = self._misnamed = False
        block = Block(self._next, lines, broken)
        self._next += len(lines)
        return block

    def _is_utf_8(self, line: str) -> bool:
        """Whether a line that was read as another encoding is UTF-8."""
        try:
            line.encode((self.encoding or TextEncoding.UTF_8).value).decode()
        except UnicodeError:
            return False
        return True

    def _read(self, data: bytes) -> tuple[list[str], dict[int, str]]:
        encoding = (self.encoding or TextEncoding.UTF_8).value
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            return self._texts(data.split(b"\n"))
        lines = text.replace("\r\n", "\n").removesuffix("\r").split("\n")
        if len(data) > MAX_LINE:
            long = {
                self._next + i: "LINE_TOO_LONG"
                for i, line in enumerate(lines)
                if len(line) * 4 > MAX_LINE and len(line.encode(encoding)) > MAX_LINE
            }
            return lines, long
        return lines, {}

    def _texts(self, raws: list[bytes]) -> tuple[list[str], dict[int, str]]:
        """Read lines one by one, so that a bad one is named and the others are read."""
        encoding = (self.encoding or TextEncoding.UTF_8).value
        lines: list[str] = []
        broken: dict[int, str] = {}
        for number, raw in enumerate(raws, self._next):
            try:
                line = raw.decode(encoding)
            except UnicodeDecodeError:
                line = raw.decode(encoding, "backslashreplace")
                broken[number] = "ENCODING"
            if len(raw.removesuffix(b"\r")) > MAX_LINE:
                broken[number] = "LINE_TOO_LONG"
            lines.append(line.removesuffix("\r"))
        return lines, broken


def _first_above_ascii_of(lines: list[str]) -> int | None:
    return next((at for at, line in enumerate(lines) if not line.isascii()), None)
