"""The keys that sign checkpoints: Ed25519, in a folder that the database knows nothing of.

`signing.pem` is the private key (PKCS 8, readable by its owner only), made when it is first needed;
`<id>.pub` are the public keys that are trusted, the present one and those of before. An id is the
first sixteen hexadecimal digits of the SHA-256 of the public key's 32 bytes.
"""

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from gateway.audit.chain import signed_text
from gateway.errors import BadInput

_PRIVATE = "signing.pem"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The present key."""

    id: str
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, chain: str, number: int, digest: bytes, at: datetime) -> bytes:
        """Return a checkpoint's signature."""
        return self._private.sign(signed_text(chain, number, digest, at, self.id))


@dataclass(frozen=True, slots=True)
class Trusted:
    """Public keys by their ids."""

    keys: dict[str, Ed25519PublicKey]

    def holds(
        self, chain: str, number: int, digest: bytes, at: datetime, key: str, signature: bytes
    ) -> bool:
        """Say whether a checkpoint was signed with a trusted key."""
        public = self.keys.get(key)
        if public is None:
            return False
        try:
            public.verify(signature, signed_text(chain, number, digest, at, key))
        except InvalidSignature:
            return False
        return True


def signing_key(folder: Path) -> SigningKey:
    """Return the present key, made if there is none yet."""
    path = folder / _PRIVATE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = _new(folder)
        try:
            path.hardlink_to(part)
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return _published(folder, _read(path))


def rotate(folder: Path) -> SigningKey:
    """Make another key the present one; the one before is trusted still. Return the new one."""
    signing_key(folder)
    _new(folder).replace(folder / _PRIVATE)
    return signing_key(folder)


def trusted_keys(folder: Path) -> Trusted:
    """Return all keys whose signatures count."""
    found = {}
    for path in sorted(folder.glob("*.pub")):
        try:
            key = load_pem_public_key(path.read_bytes())
        except ValueError as error:
            raise _unreadable(path) from error
        if not isinstance(key, Ed25519PublicKey):
            raise _unreadable(path)
        found[_id(key)] = key
    return Trusted(found)


def _new(folder: Path) -> Path:
    part = folder / f"{_PRIVATE}.{secrets.token_hex(8)}"
    part.touch(mode=0o600)
    made = Ed25519PrivateKey.generate()
    part.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return part


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise _unreadable(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unreadable(path)
    return key


def _published(folder: Path, private: Ed25519PrivateKey) -> SigningKey:
    public = private.public_key()
    name = _id(public)
    path = folder / f"{name}.pub"
    if not path.exists():
        part = folder / f"{name}.{os.getpid()}.part"
        part.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        part.replace(path)
    return SigningKey(name, private)


def _id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _unreadable(path: Path) -> BadInput:
    return BadInput(
        f"{path} is not an Ed25519 key",
        f"{path}不是Ed25519密钥",
        argument="GATEWAY_AUDIT_KEYS",
        accepted="a folder with signing.pem (PKCS 8) and *.pub files in PEM",
    )
