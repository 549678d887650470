"""Accounts: people who sign in with a password and a code, where no issuer vouches for them.

The password is stored as an Argon2id hash (RFC 9106), the codes' secret sealed with the gateway's.
Codes are RFC 6238's: six digits, HMAC-SHA-1, 30 seconds; one step early or late is taken, and each
once. Five attempts in a row lock an account: for 30 seconds, then for twice as long each time, an
hour at the most.
"""

import asyncio
import base64
import hashlib
import logging
import re
import secrets
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidKey
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import (
    BigInteger,
    DateTime,
    Integer,
    LargeBinary,
    String,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.errors import BadInput, NotFound, Unauthenticated
from gateway.tenancy.attempts import Attempts
from gateway.tenancy.issue import Holder, check_role
from gateway.tenancy.keys import NewKey, generate
from gateway.tenancy.models import Account, ApiKey
from gateway.tenancy.operator import OperatorSession
from gateway.tenancy.principal import Role
from gateway.tenancy.reach import DATABASE_ERRORS, translated, unreachable
from gateway.tenancy.session import ScopedSession

SESSION_SECONDS: Final = 8 * 3600
_STEP: Final = 30
_SEED_BYTES: Final = 20
_MOST_DECOMPOSED: Final = 4 * 256
"""Characters that a good password can have before its accents are put together."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_CODE: Final = re.compile(r"[0-9]{6}")
_LEAST_PASSWORD, _MOST_PASSWORD = 12, 256
_NOBODYS: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$bm90aGluZyBvcGVucyBtZQ$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
"""A hash of no password that is known, for names that no account has."""
_log = logging.getLogger(__name__)
_KEYS, _ACCOUNTS = ApiKey.table(), Account.table()
_ATTEMPT = select(func.gateway_attempt(bindparam("name", type_=String), type_=JSONB))
_SIGN_IN = select(
    func.gateway_sign_in(
        bindparam("name", type_=String),
        bindparam("proved", type_=String),
        bindparam("step", type_=BigInteger),
        bindparam("prefix", type_=String),
        bindparam("digest", type_=LargeBinary),
        bindparam("seconds", type_=Integer),
        type_=DateTime(timezone=True),
    )
)
_UNHURRIED = text("SET LOCAL synchronous_commit = off")


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What sets up somebody's authenticator, at the only moment at which it is known."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def secret(self) -> str:
        """The secret in Base32, to be typed."""
        return base64.b32encode(self.seed).decode()

    @property
    def uri(self) -> str:
        """The `otpauth:` address that an authenticator reads, as a picture or a link."""
        return _totp(self.seed).get_provisioning_uri(self.name, "compliance gateway")


class Seeds:
    """Seals the secrets of codes with the gateway's own, so that a copy of the table is no use."""

    def __init__(self, secret: str) -> None:
        """Take the gateway's secret."""
        key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"gateway-account").digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, seed: bytes) -> str:
        """Return a seed as it is stored."""
        return self._fernet.encrypt(seed).decode()

    def open(self, sealed: str) -> bytes:
        """Return a stored seed; InvalidToken if another secret sealed it."""
        return self._fernet.decrypt(sealed)


# By the operator


async def add_account(
    session: OperatorSession, seeds: Seeds, holder: Holder, role: Role, name: str, password: str
) -> Provisioned:
    """Store a new account; BadInput for a name that is taken or no name, or a weak password."""
    check_role(role, holder)
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{name[:64]!r} is not a name of an account",
            f"“{name[:64]}”不是账户名",
            argument="NAME",
            accepted="1 to 64 small ASCII letters, digits, . _ @ -, the first a letter or digit",
        )
    hashed = await _hashed(password)
    if (await session.execute(select(_ACCOUNTS.c.name).where(_ACCOUNTS.c.name == name))).first():
        raise BadInput(
            f"there is an account {name} already",
            f"账户{name}已存在",
            argument="NAME",
            accepted="another name, or gateway account reset",
        )
    made, seed = generate(), secrets.token_bytes(_SEED_BYTES)
    await session.execute(
        insert(_KEYS).values(
            prefix=made.prefix,
            kind="ACCOUNT",
            digest=made.digest,  # of a secret that nobody has
            vendor_id=holder.vendor_id,
            licensor_id=holder.licensor_id,
            role=role.value,
            claim=name,
        )
    )
    await session.execute(
        insert(_ACCOUNTS).values(
            prefix=made.prefix, name=name, password=hashed, seed=seeds.seal(seed)
        )
    )
    return Provisioned(name, seed)


async def reset_account(
    session: OperatorSession, seeds: Seeds, name: str, password: str
) -> tuple[Provisioned, Holder]:
    """Give an account another password and secret, unlock it, and end its sessions at once.

    NotFound for a name that no account has, BadInput for an account that was revoked.
    """
    prefix, holder, revoked = await _of(session, name)
    if revoked:
        raise BadInput(
            f"the account {name} was revoked, for good",
            f"账户{name}已被永久吊销",
            argument="NAME",
            accepted="an account that is not revoked, or gateway account add with another name",
        )
    hashed, seed = await _hashed(password), secrets.token_bytes(_SEED_BYTES)
    await session.execute(
        update(_ACCOUNTS)
        .where(_ACCOUNTS.c.prefix == prefix)
        .values(password=hashed, seed=seeds.seal(seed), last_step=0, attempts=0, locked_until=None)
    )
    await session.execute(
        update(_KEYS)
        .where(_KEYS.c.parent == prefix, _KEYS.c.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
    )
    return Provisioned(name, seed), holder


async def revoke_account(session: OperatorSession, name: str) -> Holder:
    """Revoke an account and with it its sessions, at once and for good."""
    prefix, holder, _ = await _of(session, name)
    await session.execute(
        update(_KEYS)
        .where(_KEYS.c.prefix == prefix)
        .values(revoked_at=func.coalesce(_KEYS.c.revoked_at, func.clock_timestamp()))
    )
    return holder


async def list_accounts(session: OperatorSession) -> Sequence[dict[str, Any]]:
    """Return all accounts by name: role, whether revoked, and until when locked."""
    rows = await session.execute(
        select(
            _ACCOUNTS.c.name,
            _KEYS.c.role,
            _KEYS.c.revoked_at,
            _ACCOUNTS.c.locked_until,
        )
        .where(_KEYS.c.prefix == _ACCOUNTS.c.prefix)
        .order_by(_ACCOUNTS.c.name)
    )
    return [
        {
            "name": row.name,
            "role": row.role,
            "revokedAt": row.revoked_at,
            "lockedUntil": row.locked_until,
        }
        for row in rows
    ]


async def _of(session: OperatorSession, name: str) -> tuple[str, Holder, bool]:
    """Return an account's prefix, whose it is, and whether it is revoked."""
    found = (
        await session.execute(
            select(
                *(_KEYS.c.prefix, _KEYS.c.vendor_id, _KEYS.c.licensor_id, _KEYS.c.revoked_at)
            ).where(_KEYS.c.prefix == _ACCOUNTS.c.prefix, _ACCOUNTS.c.name == name)
        )
    ).first()
    if found is None:
        raise NotFound.of("account", "账户", name, argument="NAME")
    holder = Holder(found.vendor_id, found.licensor_id)
    return found.prefix, holder, found.revoked_at is not None


# By whoever signs in


class SignIn:
    """Opens sessions, one password at a time: hashing is meant to take a while."""

    def __init__(self, engine: AsyncEngine, seeds: Seeds) -> None:
        """Take the engine of the service's role."""
        self._engine, self._seeds = engine, seeds
        self._nobodys_seed = seeds.seal(secrets.token_bytes(_SEED_BYTES))
        self._hashing = asyncio.Semaphore(1)
        self._attempts = Attempts()

    async def open(
        self, name: str, password: str, code: str, address: str = ""
    ) -> tuple[NewKey, datetime]:
        """Return a session and when it ends; Unauthenticated, in one wording, for anything else.

        A name that no account has is as much work as one that has a wrong password. RateLimited
        where too many wait, in all or from the address; nothing is counted then.
        """
        came = int(time.time())
        with self._attempts.one(address):
            # what is asked first is answered first, so that the order tells nothing of the name
            async with self._hashing:
                found = await self._ask(_ATTEMPT, name=name) if _NAME.fullmatch(name) else None
                stored = _NOBODYS if found is None else str(found["password"])
                right = await asyncio.to_thread(_proves, password, stored)
        seed = self._nobodys_seed if found is None else str(found["seed"])
        step = self._step(seed, code, came)
        if found is None or not right or step is None:
            raise _refusal()
        key = generate("gs")
        ends: datetime | None = await self._ask(
            _SIGN_IN,
            name=name,
            proved=stored,
            step=step,
            prefix=key.prefix,
            digest=key.digest,
            seconds=SESSION_SECONDS,
        )
        if ends is None:
            raise _refusal()
        return key, ends

    def _step(self, sealed: str, code: str, came: int) -> int | None:
        """Return which step's code it is, of the one when it came and its neighbours."""
        if not _CODE.fullmatch(code):
            return None
        try:
            totp = _totp(self._seeds.open(sealed))
        except InvalidToken:
            _log.warning("an account's codes were sealed with another GATEWAY_SECRET")
            return None
        now = came // _STEP
        for step in (now, now - 1, now + 1):
            if secrets.compare_digest(totp.generate(step * _STEP), code.encode()):
                return step
        return None

    async def _ask(self, statement: Any, **values: Any) -> Any:
        try:
            async with self._engine.begin() as connection:
                # a count that a crash loses is no loss, and a commit that waits tells of a name
                await connection.execute(_UNHURRIED)
                return (await connection.execute(statement, values)).scalar()
        except DBAPIError as error:
            raise translated(error) from error
        except DATABASE_ERRORS as error:
            raise unreachable() from error


async def sign_out(session: ScopedSession, presented: bytes) -> bool:
    """End the session whose digest it is, at once; say whether it is one."""
    asked = func.gateway_sign_out(bindparam(None, presented, LargeBinary, unique=True))
    return bool(await session.scalar(select(asked)))


def _totp(seed: bytes) -> TOTP:
    return TOTP(seed, 6, SHA1(), _STEP)  # noqa: S303 (what authenticators have: RFC 6238 1.2)


async def _hashed(password: str) -> str:
    if not _LEAST_PASSWORD <= len(password) <= _MOST_PASSWORD:
        raise BadInput(
            f"the password has {len(password)} characters",
            f"密码有{len(password)}个字符",
            argument="password",
            accepted=f"{_LEAST_PASSWORD} to {_MOST_PASSWORD} characters",
        )
    return await asyncio.to_thread(_hash, password)


def _hash(password: str) -> str:
    """Hash with the second recommendation of RFC 9106, section 4: 64 MiB, three passes."""
    way = Argon2id(
        salt=secrets.token_bytes(16), length=32, iterations=3, lanes=4, memory_cost=65_536
    )
    return way.derive_phc_encoded(_bytes(password))


def _proves(password: str, stored: str) -> bool:
    if len(password) > _MOST_DECOMPOSED:  # to normalize it would take long
        password = ""
    try:
        Argon2id.verify_phc_encoded(_bytes(password), stored)
    except InvalidKey:
        return False
    return True


def _bytes(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode("utf-8", "backslashreplace")


def _refusal() -> Unauthenticated:
    return Unauthenticated(
        "name, password or code is wrong, or there were too many attempts",
        "账户名、密码或验证码有误，或尝试次数过多",
        accepted="the account's password and the present code of its authenticator, each code "
        "once; after five attempts wait, at least half a minute",
    )
