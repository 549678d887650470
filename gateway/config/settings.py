"""Settings: environment variables `GATEWAY_*`, each described here and in docs/settings.md."""

import re
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_ITS_OWN = re.compile(r"client.*|code.*|grant_type|redirect_uri|response_type|scope|state")
"""Parameters of a sign-in that the page or the gateway sets; secrets among them."""


class OidcIssuer(BaseModel):
    """An issuer of access tokens (OpenID Connect) that the gateway believes.

    With a `client` people sign in there: `scope` and `parameters` (such as RFC 8707's `resource`)
    ask for a token that is meant for the audience. Everybody may read both.
    """

    model_config = {"extra": "forbid", "frozen": True}

    issuer: str = Field(pattern=r"^(https://|http://(localhost|127\.0\.0\.1)[:/])[^\s?#]*$")
    audience: str = Field(min_length=1)
    claim: str = Field(default="groups", min_length=1)
    client: str | None = Field(default=None, min_length=1)
    client_secret: SecretStr | None = None
    scope: str = Field(default="openid", min_length=1)
    parameters: dict[str, str] = {}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.client is None and self.client_secret is not None:
            raise ValueError("client_secret: of no client")
        if self.client_secret is not None and not self.client_secret.get_secret_value():
            raise ValueError("client_secret: leave it out for a public client")
        if reserved := [name for name in self.parameters if _ITS_OWN.fullmatch(name)]:
            raise ValueError(f"parameters: {reserved[0]} can't be one of them")
        return self


class Settings(BaseSettings):
    """All settings of the gateway; unset means the default shown."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", env_file=None, extra="ignore")

    database_url: str | None = Field(
        default=None,
        description="PostgreSQL (15 or newer) or Citus, as postgresql://user:password@host/name; "
        "its role must be a member of gateway_service and should own nothing. "
        "Unset: the embedded PostgreSQL under the data directory.",
    )
    migrate_url: str | None = Field(
        default=None,
        description="The owner's address, for `gateway migrate` and all commands; for commands "
        "also that of a login with their duty. Unset: the same as the database URL.",
    )
    data_dir: Path = Field(
        default=Path(".gateway"),
        description="Where the embedded database, its passwords and the link secret are kept.",
    )
    secret: SecretStr | None = Field(
        default=None,
        description="At least 32 characters; seals download links and the secrets of accounts' "
        "codes. The same on every server, and for the operator's commands. "
        "Unset: made once and kept in the data directory.",
    )
    audit_keys: Path | None = Field(
        default=None,
        description="Folder of the keys that sign the audit log's checkpoints: the present one, "
        "and all that are trusted. The same on every server. "
        "Unset: the folder audit-keys of the data directory.",
    )
    audit_seconds: float = Field(
        default=0.5,
        ge=0,
        le=60,
        description="How long an access may wait to be written into the audit log, seconds; "
        "what a killed server loses. 0: each answer waits until its entry is committed.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 picks one.")
    public_url: str | None = Field(
        default=None,
        description="The address under which callers reach the gateway: of download links, and of "
        "pages that count as its own (docs/operation.md). "
        "Unset: the address of the request itself.",
    )
    proxies: str | None = Field(
        default=None,
        description="Addresses or networks, divided by commas, of proxies whose X-Forwarded-For "
        "and X-Forwarded-Proto are believed. Unset: callers are at the address that connects.",
    )
    grace_seconds: int = Field(
        default=10,
        ge=0,
        le=3600,
        description="How long a server that is told to stop lets requests and downloads finish, "
        "seconds; what still runs then is cut.",
    )
    pool_size: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="Database connections of one server process: so many each for operations "
        "planned by shape, for those planned by values, for the executor and for downloads. "
        "Twice the database's cores and one are best: more statements at once delay each other.",
    )
    link_seconds: int = Field(
        default=600, ge=1, le=86_400, description="How long a download link is good for, seconds."
    )
    oidc: tuple[OidcIssuer, ...] = Field(
        default=(),
        description="Issuers of OpenID Connect access tokens, in JSON: a list of "
        '{"issuer": "https://…", "audience": "…", "claim": "groups"}; '
        "what the claim's values may do, `gateway oidc grant` says. "
        "`client`, `client_secret`, `scope` and `parameters`: docs/access.md.",
    )
    statement_seconds: int = Field(
        default=30, ge=1, le=3600, description="Time after which a query is ended, seconds."
    )
    body_bytes: int = Field(
        default=1_048_576,
        ge=1024,
        le=1_073_741_824,
        description="Bytes that a body of /graphql, or a WebSocket message, may have.",
    )
    limits: Literal["enforce", "measure"] = Field(
        default="enforce",
        description="`enforce`, or `measure`: what exceeds the limits of cost, rate and "
        "concurrency is counted in /metrics, and let through.",
    )
    cost_limit: int = Field(
        default=500_000,
        ge=1000,
        description="Points that one operation may cost (docs/limits.md).",
    )
    cost_bucket: int = Field(
        default=6_000_000,
        ge=1000,
        description="Points that a tenant may spend at one go, in each server process.",
    )
    cost_per_second: int = Field(
        default=600_000,
        ge=1,
        description="Points that come back to a tenant each second, in each server process.",
    )
    operations_at_once: int = Field(
        default=64,
        ge=1,
        description="Operations of one tenant that run at the same time, in each server process.",
    )

    @field_validator("proxies")
    @classmethod
    def _addresses(cls, found: str | None) -> str | None:
        for one in [] if found is None else found.split(","):
            ip_network(one.strip())  # ValueError for what is none
        return found

    @field_validator("oidc")
    @classmethod
    def _once_each(cls, found: tuple[OidcIssuer, ...]) -> tuple[OidcIssuer, ...]:
        if len({one.issuer for one in found}) < len(found):
            raise ValueError("an issuer is named twice")
        return found


@cache
def settings() -> Settings:
    """Read the settings once for this process."""
    return Settings()
