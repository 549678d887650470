"""A catalogue as data: what a file of exchanges, specifications and products says."""

from dataclasses import dataclass, field
from datetime import date

from gateway.catalogue.codes import ExchangeKind, Protocol, Purpose


@dataclass(frozen=True, slots=True)
class Page:
    """A page of an exchange that is no specification."""

    title: str
    address: str


@dataclass(frozen=True, slots=True)
class ExchangeEntry:
    """An exchange or data company; `licensor` says whether it grants licences itself."""

    code: str
    name: str
    short_name: str | None = None
    kind: ExchangeKind = ExchangeKind.EXCHANGE
    licensor: bool = False
    pages: tuple[Page, ...] = ()


@dataclass(frozen=True, slots=True)
class SpecEntry:
    """One edition of an interface specification; `supersedes` is the earlier edition's key."""

    key: str
    exchange: str
    title: str
    purpose: Purpose
    address: str
    code: str | None = None
    protocols: tuple[Protocol, ...] = ()
    version: str | None = None
    published_on: date | None = None
    supersedes: str | None = None


@dataclass(frozen=True, slots=True)
class ProductEntry:
    """A product, and the keys of the specifications by which it is delivered."""

    name: str
    licensor: str
    exchange: str | None = None
    interface_specs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """All that one file says."""

    exchanges: tuple[ExchangeEntry, ...] = ()
    specs: tuple[SpecEntry, ...] = ()
    products: tuple[ProductEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What there is already: codes of exchanges and licensors, editions by their keys."""

    exchanges: frozenset[str] = frozenset()
    licensors: frozenset[str] = frozenset()
    specs: dict[str, SpecEntry] = field(default_factory=dict)
