"""Download links: a request sealed into a token that only this gateway can open, for some minutes.

The seal (Fernet: AES-128-CBC and HMAC-SHA256) hides the filter, which may hold personal data, from
logs and proxies. The token names the key that asked; on opening, that key's present scope applies,
so that revoking the key closes its links.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken
from pydantic import TypeAdapter

from gateway.errors import NotFound
from gateway.exports.requests import Export, MonthlyExport, UserExport
from gateway.exports.stream import Form
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.formats.reading import DEFAULT
from gateway.regulation.layouts import SZSE_2010


@dataclass(frozen=True)
class Ticket:
    """What a token carries."""

    key: str
    export: Export
    form: Form
    format: str = DEFAULT
    """Code and version."""
    purpose: str | None = None
    """For what personal data is in clear."""
    subject: str | None = None
    """Whom an issuer named, of whose token the link was asked."""
    until: float | None = None
    """When that token ends, in seconds since 1970, and the link with it."""


_TICKETS: TypeAdapter[Ticket] = TypeAdapter(Ticket)


class Links:
    """Seals and opens tickets with the gateway's secret."""

    def __init__(self, secret: str, seconds: int) -> None:
        """Take the secret (32 characters or more) and how long a link is good for."""
        key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"gateway-links").digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._seconds = seconds

    def seal(
        self,
        key: str,
        export: UserExport | MonthlyExport,
        form: Form,
        report_format: ReportFormat = SZSE_2010,
        purpose: str | None = None,
        subject: str | None = None,
        until: datetime | None = None,
    ) -> tuple[str, datetime]:
        """Return a token and the instant at which it expires: at `until` at the latest."""
        made = datetime.now(UTC).replace(microsecond=0)
        ends = None if until is None else until.timestamp()
        ticket = Ticket(key, export, form, str(report_format), purpose, subject, ends)
        token = self._fernet.encrypt_at_time(
            _TICKETS.dump_json(ticket, exclude_none=True), int(made.timestamp())
        )
        expires = made + timedelta(seconds=self._seconds)
        return token.decode(), expires if until is None else min(expires, until)

    def open(self, token: str) -> Ticket:
        """Return what a token carries, or raise NotFound if it is forged, cut or too old."""
        try:
            data = self._fernet.decrypt(_whole(token), ttl=self._seconds)
            ticket = _TICKETS.validate_json(data)
        except (InvalidToken, ValueError):
            raise _invalid() from None
        if ticket.until is not None and ticket.until < datetime.now(UTC).timestamp():
            raise _invalid()
        return ticket


def _invalid() -> NotFound:
    return NotFound("this download link is not valid, or no longer", "下载链接无效或已过期")


def _whole(token: str) -> bytes:
    """Return a token's bytes; ValueError if some follow its padding, which would be ignored."""
    data = token.encode()
    if base64.urlsafe_b64encode(base64.urlsafe_b64decode(data)) != data:
        raise ValueError(token)
    return data
