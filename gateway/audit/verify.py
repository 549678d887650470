"""Verifying the log: every chain is computed again, and compared with what is stored and signed.

It takes the memory of one entry and of the tenants' names, however long the log is. Of each damaged
chain it names the first entry that is wrong.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Row,
    Select,
    and_,
    column,
    exists,
    func,
    literal_column,
    select,
    table,
    union_all,
)
from sqlalchemy.dialects.postgresql import distinct_on

from gateway.audit.chain import ZERO, digest_of, text_of
from gateway.audit.keys import Trusted
from gateway.audit.models import HOUSE, AuditCheckpoint, AuditEvent
from gateway.tenancy.appending import Head
from gateway.tenancy.operator import OperatorSession

_EVENTS: Final = AuditEvent.table()
_SIGNED: Final = AuditCheckpoint.table()


@dataclass(frozen=True, slots=True)
class Damage:
    """The first wrong entry of a chain: of what kind, its number, when it happened, and why."""

    kind: str
    chain: str
    number: int
    at: datetime | None
    detail: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed end of a chain, as it is kept outside of the database."""

    chain: str
    number: int
    digest: bytes
    signed_at: datetime
    key: str
    signature: bytes

    def holds(self, trusted: Trusted) -> bool:
        """Say whether a trusted key signed it."""
        return trusted.holds(
            self.chain, self.number, self.digest, self.signed_at, self.key, self.signature
        )


@dataclass(slots=True)
class Verified:
    """A chain: how many entries were looked at, where it ends, and its last checkpoint."""

    holder: int
    chain: str
    entries: int = 0
    number: int = 0
    digest: bytes = ZERO
    checkpoint: Checkpoint | None = None
    damage: Damage | None = None

    @property
    def head(self) -> Head:
        """The last entry."""
        return Head(self.holder, self.chain, self.number, self.digest)

    @property
    def unsigned(self) -> bool:
        """Whether the last entries are under no signature."""
        return self.number > (0 if self.checkpoint is None else self.checkpoint.number)


@dataclass(slots=True)
class Wanted:
    """What to verify: all, or one chain; from an instant on; against checkpoints kept elsewhere."""

    holder: int | None = None
    since: datetime | None = None
    kept: Sequence[Checkpoint] = ()
    by_chain: dict[str, dict[int, Checkpoint]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.kept:
            self.by_chain.setdefault(one.chain, {})[one.number] = one


async def verify(
    session: OperatorSession, trusted: Trusted, wanted: Wanted
) -> AsyncIterator[Verified]:
    """Yield each chain when it has been looked through, in the order of holders."""
    names = await chain_names(session)
    begun = await _beginnings(session, names, trusted, wanted)
    missing = await _without_entry(session, wanted)
    seen: set[str] = set()
    state: Verified | None = None
    async for row in session.stream(_entries(wanted)):
        if state is None or row.holder != state.holder:
            if state is not None:
                yield await _finished(session, state, missing, trusted, wanted)
            name = names.get(row.holder, f"number {row.holder}")
            state = begun.get(row.holder) or Verified(row.holder, name)
            seen.add(state.chain)
        if state.damage is None:
            _look_at(state, row, names, trusted, wanted)
    if state is not None:
        yield await _finished(session, state, missing, trusted, wanted)
    for holder in sorted(missing.keys() | begun.keys()):
        name = names.get(holder, f"number {holder}")
        if name not in seen:
            seen.add(name)
            state = begun.get(holder) or Verified(holder, name)
            yield await _finished(session, state, missing, trusted, wanted)
    for chain in wanted.by_chain.keys() - seen:
        lost = Verified(HOUSE, chain)
        _compare_kept(lost, trusted, wanted)
        yield lost


async def chain_names(session: OperatorSession) -> Mapping[int, str]:
    """Return the names of all chains that there may be, by holder."""
    vendors = table("vendors", column("vendor_id"), column("code"))
    licensors = table("licensors", column("licensor_id"), column("code"))
    found: Any = await session.execute(
        union_all(
            select(vendors.c.vendor_id, literal_column("'vendor '").op("||")(vendors.c.code)),
            select(
                -licensors.c.licensor_id, literal_column("'licensor '").op("||")(licensors.c.code)
            ),
        )
    )
    return {HOUSE: "house"} | {int(row[0]): str(row[1]) for row in found}


def _entries(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    """Return all entries in order, each with its checkpoint where it has one."""
    found: Select[*tuple[Any, ...]] = (
        select(
            *_EVENTS.c,
            _SIGNED.c.digest.label("signed_digest"),
            *(_SIGNED.c[name] for name in ("signed_at", "key_id", "signature")),
        )
        .select_from(
            _EVENTS.outerjoin(
                _SIGNED,
                and_(_SIGNED.c.holder == _EVENTS.c.holder, _SIGNED.c.number == _EVENTS.c.number),
            )
        )
        .order_by(_EVENTS.c.holder, _EVENTS.c.number)
    )
    if wanted.holder is not None:
        found = found.where(_EVENTS.c.holder == wanted.holder)
    if wanted.since is not None:
        last = (
            select(_SIGNED.c.holder, func.max(_SIGNED.c.number).label("number"))
            .where(_SIGNED.c.signed_at < wanted.since)
            .group_by(_SIGNED.c.holder)
            .cte("last")
        )
        behind = select(last.c.number).where(last.c.holder == _EVENTS.c.holder).scalar_subquery()
        found = found.where(_EVENTS.c.number > func.coalesce(behind, 0))
    return found


async def _beginnings(
    session: OperatorSession, names: Mapping[int, str], trusted: Trusted, wanted: Wanted
) -> dict[int, Verified]:
    """Return where each chain is begun with: at its last checkpoint before the asked instant."""
    if wanted.since is None:
        return {}
    last = (
        select(*_SIGNED.c)
        .ext(distinct_on(_SIGNED.c.holder))
        .where(_SIGNED.c.signed_at < wanted.since)
        .order_by(_SIGNED.c.holder, _SIGNED.c.number.desc())
    )
    if wanted.holder is not None:
        last = last.where(_SIGNED.c.holder == wanted.holder)
    found: dict[int, Verified] = {}
    for row in await session.execute(last):
        name = names.get(row.holder, f"number {row.holder}")
        state = found[row.holder] = Verified(row.holder, name, number=row.number, digest=row.digest)
        state.checkpoint = _checkpoint(name, row, row.digest)
        if not state.checkpoint.holds(trusted):
            state.damage = _forged(state.checkpoint, trusted)
    return found


async def _without_entry(session: OperatorSession, wanted: Wanted) -> dict[int, Row[Any]]:
    """Return of each chain the first checkpoint whose entry is not there."""
    there = exists().where(
        _EVENTS.c.holder == _SIGNED.c.holder, _EVENTS.c.number == _SIGNED.c.number
    )
    first = (
        select(*_SIGNED.c)
        .ext(distinct_on(_SIGNED.c.holder))
        .where(~there)
        .order_by(_SIGNED.c.holder, _SIGNED.c.number)
    )
    if wanted.holder is not None:
        first = first.where(_SIGNED.c.holder == wanted.holder)
    return {row.holder: row for row in await session.execute(first)}


def _look_at(
    state: Verified, row: Row[Any], names: Mapping[int, str], trusted: Trusted, wanted: Wanted
) -> None:
    """Take the next entry of a chain, or note what is wrong with it."""
    expected = state.number + 1
    at = row.occurred_at
    if row.holder not in names:
        state.damage = Damage("altered", state.chain, row.number, at, "its tenant does not exist")
        return
    if row.number > expected:
        text = f"entry {expected}"
        if row.number > expected + 1:
            text = f"entries {expected} to {row.number - 1}"
        detail = f"{text} gone; the next one is of {at}"
        state.damage = Damage("missing", state.chain, expected, None, detail)
        return
    digest = _digest(state, row)
    if (
        digest is None
        or digest != row.digest
        or row.number < expected
        or row.vendor_id != max(row.holder, HOUSE)
    ):
        detail = "it is not what its digest was made of"
        state.damage = Damage("altered", state.chain, row.number, at, detail)
        return
    state.entries, state.number, state.digest = state.entries + 1, row.number, digest
    kept = wanted.by_chain.get(state.chain, {}).get(row.number)
    before = 0 if state.checkpoint is None else state.checkpoint.number
    rewritten = f"entries {before + 1} to {row.number} are not those that were signed"
    if kept is not None and not kept.holds(trusted):
        state.damage = _forged(kept, trusted)
    elif kept is not None and kept.digest != digest:
        state.damage = Damage("rewritten", state.chain, before + 1, at, rewritten)
    elif row.signature is not None:
        signed = _checkpoint(state.chain, row, row.signed_digest)
        if not signed.holds(trusted):
            state.damage = _forged(signed, trusted)
        elif signed.digest != digest:
            state.damage = Damage("rewritten", state.chain, before + 1, at, rewritten)
        else:
            state.checkpoint = signed


def _digest(state: Verified, row: Row[Any]) -> bytes | None:
    text = _text(row)
    if text is None:
        return None
    return digest_of(state.digest, state.chain, row.number, text)


def _text(row: Row[Any]) -> str | None:
    """Return an entry's text; None of what can't have been written by the gateway."""
    try:
        return text_of(row.occurred_at, row.actor, row.action, row.detail)
    except (TypeError, ValueError, OverflowError):
        return None


async def _finished(
    session: OperatorSession,
    state: Verified,
    missing: Mapping[int, Row[Any]],
    trusted: Trusted,
    wanted: Wanted,
) -> Verified:
    """Look at the end of a chain, and for where an altered entry may have come from."""
    damage, signed = state.damage, missing.get(state.holder)
    if damage is not None and damage.kind == "altered":
        state.damage = await _moved(session, state.holder, damage)
    if damage is None and signed is not None and signed.number > state.number:
        one = _checkpoint(state.chain, signed, signed.digest)
        if one.holds(trusted):
            state.damage = _cut(state, one)
        else:
            state.damage = _forged(one, trusted)
    _compare_kept(state, trusted, wanted)
    if state.damage is None and state.unsigned:
        before = 0 if state.checkpoint is None else state.checkpoint.number
        detail = f"entries {before + 1} to {state.number} are under no signature"
        state.damage = Damage("unsigned", state.chain, before + 1, None, detail)
    return state


def _compare_kept(state: Verified, trusted: Trusted, wanted: Wanted) -> None:
    """Look whether a chain reaches to the checkpoints that are kept elsewhere."""
    for number, one in sorted(wanted.by_chain.get(state.chain, {}).items()):
        if state.damage is not None:
            return
        if not one.holds(trusted):
            state.damage = _forged(one, trusted)
        elif number > state.number:
            state.damage = _cut(state, one)


def _cut(state: Verified, signed: Checkpoint) -> Damage:
    number = state.number + 1
    detail = f"entries {number} to {signed.number} were there on {signed.signed_at}, and are gone"
    return Damage("missing", state.chain, number, None, detail)


def _forged(one: Checkpoint, trusted: Trusted) -> Damage:
    known = one.key in trusted.keys
    detail = "its checkpoint's signature is wrong" if known else f"no key {one.key} is trusted"
    return Damage("forged checkpoint", one.chain, one.number, one.signed_at, detail)


def _checkpoint(chain: str, row: Row[Any], digest: bytes) -> Checkpoint:
    return Checkpoint(chain, row.number, digest, row.signed_at, row.key_id, row.signature)


async def _moved(session: OperatorSession, holder: int, damage: Damage) -> Damage:
    """Look through the chain again for the place at which a wrong entry would be right."""
    entries = select(*_EVENTS.c).where(_EVENTS.c.holder == holder).order_by(_EVENTS.c.number)
    (wrong,) = await session.execute(entries.where(_EVENTS.c.number == damage.number).limit(1))
    text = _text(wrong)
    if text is None:
        return damage
    before = ZERO
    async for row in session.stream(entries):
        here = digest_of(before, damage.chain, row.number, text)
        beside = digest_of(row.digest, damage.chain, wrong.number + 1, text)
        place = 0
        if row.number != wrong.number and here in {row.digest, wrong.digest}:
            place = row.number
        elif beside == wrong.digest:
            place = wrong.number + 1
        if place:
            detail = f"it was entry {place}"
            return Damage("reordered", damage.chain, damage.number, damage.at, detail)
        before = row.digest
    return damage
