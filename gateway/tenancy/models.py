"""Credentials. A key itself is never stored; who holds one is found by its digest."""

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    false,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway.db.base import Base, Sortable


class ApiKey(Base):
    """A credential of a vendor or of a licensor. Only the operator's role can read this table.

    Of five kinds: KEY; EMBED, a token that a vendor's key (`parent`) issued, good only as long as
    that is; OIDC, a claim's value that an issuer vouches for, whose digest stands for both;
    ACCOUNT, somebody's who signs in, whom nothing presented stands for; SESSION, what signing in
    opened, good only as long as the account (`parent`) is. `claim` is an account's name.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("num_nonnulls(vendor_id, licensor_id) = 1", name="holder"),
        CheckConstraint(
            "CASE kind WHEN 'KEY' THEN num_nonnulls(parent, issuer, claim) = 0 "
            "WHEN 'EMBED' THEN parent IS NOT NULL AND vendor_id IS NOT NULL "
            "AND expires_at IS NOT NULL "
            "WHEN 'OIDC' THEN num_nonnulls(issuer, claim) = 2 AND parent IS NULL "
            "WHEN 'ACCOUNT' THEN claim IS NOT NULL "
            "AND num_nonnulls(parent, issuer, expires_at) = 0 "
            "WHEN 'SESSION' THEN num_nonnulls(parent, claim, expires_at) = 3 "
            "AND issuer IS NULL ELSE false END",
            name="kind",
        ),
        Index("ix_api_keys_parent", "parent"),
        Index("ix_api_keys_origins", "origins", postgresql_using="gin"),
    )

    prefix: Mapped[str] = mapped_column(Sortable, primary_key=True)
    kind: Mapped[str] = mapped_column(server_default="KEY")
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    vendor_id: Mapped[int | None]
    licensor_id: Mapped[int | None]
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    trusted_only: Mapped[bool] = mapped_column(server_default=false())
    """Whether it runs the vendor's registered documents and nothing else."""
    parent: Mapped[str | None] = mapped_column(
        Sortable, ForeignKey("api_keys.prefix", ondelete="CASCADE")
    )
    origins: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """A token's: pages of these alone may present it."""
    documents: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    purpose: Mapped[str | None]
    """For what a token shows personal data."""
    issuer: Mapped[str | None]
    claim: Mapped[str | None]


class Account(Base):
    """How somebody signs in. Only the operator's role can read this table.

    `password` is an Argon2id hash, `seed` the sealed secret of the codes (RFC 6238), of which
    `last_step` is the last that was taken: none is taken twice. `attempts` since the last good one.
    """

    __tablename__ = "accounts"

    prefix: Mapped[str] = mapped_column(
        Sortable, ForeignKey("api_keys.prefix", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(Sortable, unique=True)
    password: Mapped[str]
    seed: Mapped[str]
    last_step: Mapped[int] = mapped_column(BigInteger, server_default="0")
    attempts: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[datetime | None]


class VendorOrigin(Base):
    """A web page's origin from which a vendor's callers may ask. Only the operator's role sees it.

    Like keys, it decides who may ask what, and is no row of the vendor's own.
    """

    __tablename__ = "vendor_origins"

    vendor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    origin: Mapped[str] = mapped_column(Sortable, primary_key=True, index=True)


class TrustedDocument(Base):
    """A document that a vendor registered, by the SHA-256 of its text, in hexadecimal digits."""

    __tablename__ = "trusted_documents"

    vendor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(Sortable, primary_key=True)
    name: Mapped[str]
    body: Mapped[str]
    registered_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReachClock(Base):
    """Counts what changes the reach of keys: a vendor's products under its number, 0 the rest.

    Triggers tick it; `gateway_admits` compares. Only the operator's role sees it.
    """

    __tablename__ = "reach_clock"

    holder: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ticks: Mapped[int] = mapped_column(BigInteger)
