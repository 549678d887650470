"""Whether the database is fit to serve: the role owns nothing and row-level security holds it."""

from dataclasses import dataclass

from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.config.clock import now
from gateway.db.base import SCOPED
from gateway.db.engine import DUTIES
from gateway.tenancy.reach import DATABASE_ERRORS, unreachable


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it is right, and what was found."""

    name: str
    right: bool
    detail: str


_ROLE = text(
    "SELECT session_user AS login, current_user AS role, bool_or(r.rolsuper) AS rolsuper, "
    "bool_or(r.rolbypassrls) AS rolbypassrls, "
    "bool_or(EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relkind = 'r')) AS owns "
    "FROM pg_roles r WHERE r.rolname IN (session_user, current_user)"
)
_DUTIES = text(
    "SELECT m.rolname, array_agg(d.rolname ORDER BY d.rolname) AS duties "
    "FROM pg_roles m JOIN pg_roles d ON d.rolname = ANY (:duties) AND m.oid <> d.oid "
    "AND pg_has_role(m.oid, d.oid, 'MEMBER') "
    "WHERE m.rolcanlogin AND NOT m.rolsuper GROUP BY 1 ORDER BY 1"
)
_WALLS = text(
    "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class "
    "WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
)


_OPEN_FUNCTIONS = text(
    "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
    "AND has_function_privilege('public', oid, 'EXECUTE')"
)


async def ready(engine: AsyncEngine) -> None:
    """Raise Unavailable unless the database answers."""
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except DATABASE_ERRORS as error:
        raise unreachable() from error


def _separation(login: str, duties: dict[str, list[str]]) -> Finding:
    """Say who has more than one duty; that the service has any is wrong."""
    if own := duties.get(login):
        return Finding(
            "duties", right=False, detail=f"{login} serves, and may act as {' and '.join(own)}"
        )
    several = [f"{one} has {' and '.join(held)}" for one, held in duties.items() if len(held) > 1]
    return Finding("duties", right=True, detail="; ".join(several) or "nobody has more than one")


async def examine(engine: AsyncEngine, tables: MetaData) -> list[Finding]:
    """Look at the service's role, the walls of all tables, the encoding and the clock."""
    try:
        async with engine.connect() as connection:
            role = (await connection.execute(_ROLE)).one()
            duties = {
                login: [one.removeprefix("gateway_") for one in held]
                for login, held in await connection.execute(_DUTIES, {"duties": list(DUTIES)})
            }
            walls = {name: bool(on) for name, on in await connection.execute(_WALLS)}
            open_functions = list(await connection.scalars(_OPEN_FUNCTIONS))
            version = (await connection.execute(text("SHOW server_version_num"))).scalar_one()
            encoding = (await connection.execute(text("SHOW server_encoding"))).scalar_one()
            drift = (
                await connection.execute(
                    text("SELECT abs(extract(epoch FROM clock_timestamp() - :now))"),
                    {"now": now()},
                )
            ).scalar_one()
    except DATABASE_ERRORS as error:
        raise unreachable() from error
    scoped = [table.name for table in tables.sorted_tables if table.info.get(SCOPED)]
    open_tables = sorted(name for name in scoped if not walls.get(name, False))
    powers = [
        word
        for word, held in (
            ("is a superuser", role.rolsuper),
            ("bypasses row-level security", role.rolbypassrls),
            ("owns tables", role.owns),
        )
        if held
    ]
    return [
        Finding("database", int(version) >= 150_000, f"PostgreSQL {int(version) // 10_000}"),
        Finding("encoding", encoding == "UTF8", encoding),
        Finding(
            "role",
            not powers,
            f"{role.login} as {role.role} {' and '.join(powers) or 'owns nothing'}",
        ),
        _separation(role.login, duties),
        Finding(
            "row-level security",
            not open_tables,
            f"forced on {len(scoped)} tables" if not open_tables else f"not on {open_tables}",
        ),
        Finding(
            "functions",
            not open_functions,
            "closed to the public" if not open_functions else f"open to all: {open_functions}",
        ),
        Finding("clock", float(drift) < 5, f"{float(drift):.3f} s from the database's"),
    ]
