"""Three duties that no one login needs to hold together: the platform's, its security, its audit.

`gateway_operator` keeps the catalogue, `gateway_security` gets all that says who may ask, and
`gateway_auditor` reads the log. What all three set going, the log's writing and the clock of reach,
is done by functions of `gateway_scribe`, which nobody is: no person can change or drop them, or
put anything into the log in another way.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

SECURITY, AUDITOR, OPERATOR = "gateway_security", "gateway_auditor", "gateway_operator"
SCRIBE = "gateway_scribe"
CREDENTIALS = {
    "api_keys": "SELECT, INSERT, UPDATE, DELETE",
    "accounts": "SELECT, INSERT, UPDATE",
    "vendor_origins": "SELECT, INSERT, UPDATE, DELETE",
    "trusted_documents": "SELECT, INSERT, UPDATE, DELETE",
}
LOG = ("audit_events", "audit_checkpoints")
GIVEN = {
    SECURITY: CREDENTIALS,
    SCRIBE: dict.fromkeys(LOG, "SELECT, INSERT") | {"reach_clock": "SELECT, INSERT, UPDATE"},
}
# what a duty looks up in order to name whom it acts for
SEEN = {
    SECURITY: ("licensors", "vendors", "products", "vendor_products", "reach_clock"),
    AUDITOR: ("licensors", "vendors", *LOG),
    SCRIBE: ("licensors", "vendors"),
}
ALL = "USING (true) WITH CHECK (true)"
OPEN = ("licensors", "accounts")
"""Tables that are under no policy."""
BY_SECURITY = (
    *("gateway_authenticate", "gateway_reauthenticate", "gateway_admits"),
    *("gateway_terms", "gateway_document", "gateway_knows_origin"),
    *("gateway_issue_embed", "gateway_revoke_embed"),
    *("gateway_attempt", "gateway_sign_in", "gateway_sign_out"),
)
WRITING = ("gateway_append", "gateway_checkpoint")
BY_SCRIBE = (*WRITING, "gateway_tick")


def upgrade() -> None:
    """Make the roles and give them what is theirs."""
    for role in (SECURITY, AUDITOR, SCRIBE):
        _make(role)
    for role, tables in GIVEN.items():
        for table, may in tables.items():
            op.execute(f"REVOKE ALL ON {table} FROM {OPERATOR}")
            op.execute(f"GRANT {may} ON {table} TO {role}")
            if table not in OPEN:
                op.execute(f"DROP POLICY operator ON {table}")
                op.execute(f"CREATE POLICY duty ON {table} TO {role} {ALL}")
    for role, seen in SEEN.items():
        for table in seen:
            op.execute(f"GRANT SELECT ON {table} TO {role}")
            if table not in OPEN:
                op.execute(f"CREATE POLICY {role} ON {table} FOR SELECT TO {role} USING (true)")
    _own(BY_SECURITY, SECURITY)
    _own(("gateway_tick",), SCRIBE)
    _own(WRITING, SCRIBE, f"{OPERATOR}, {SECURITY}, {AUDITOR}")


def _make(role: str) -> None:
    op.execute(
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
        f"THEN CREATE ROLE {role} NOLOGIN; END IF; END $$"
    )
    # since PostgreSQL 16 a role's maker may grant it, also to itself, but not act as it
    op.execute(
        "DO $$ BEGIN "
        "IF current_setting('server_version_num')::int < 160000 THEN "
        f"IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN "
        f"GRANT {role} TO CURRENT_USER; END IF; "
        f"ELSIF NOT pg_has_role(current_user, '{role}', 'SET') THEN "
        f"EXECUTE 'GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT TRUE'; "
        "END IF; END $$"
    )
    op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")


def _own(functions: tuple[str, ...], owner: str, callers: str = "") -> None:
    """Give functions to a role, by way of our own hands, in which callers can be granted."""
    op.execute(f"GRANT CREATE ON SCHEMA public TO {owner}")
    for name in functions:
        op.execute(f"ALTER FUNCTION {name} OWNER TO CURRENT_USER")
        if callers:
            op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {callers}")
        op.execute(f"ALTER FUNCTION {name} OWNER TO {owner}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {owner}")


def downgrade() -> None:
    """Give all of it back to the operator's role; the new roles stay, with nothing."""
    for name in WRITING:
        op.execute(f"ALTER FUNCTION {name} OWNER TO CURRENT_USER")
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM {OPERATOR}, {SECURITY}, {AUDITOR}")
    _own((*BY_SECURITY, *BY_SCRIBE), OPERATOR)
    for role, seen in SEEN.items():
        for table in seen:
            op.execute(f"REVOKE ALL ON {table} FROM {role}")
            if table not in OPEN:
                op.execute(f"DROP POLICY {role} ON {table}")
    for role, tables in GIVEN.items():
        for table, may in tables.items():
            op.execute(f"REVOKE ALL ON {table} FROM {role}")
            op.execute(f"GRANT {may} ON {table} TO {OPERATOR}")
            if table not in OPEN:
                op.execute(f"DROP POLICY duty ON {table}")
                op.execute(f"CREATE POLICY operator ON {table} TO {OPERATOR} {ALL}")
    for role in (SECURITY, AUDITOR, SCRIBE):
        op.execute(f"REVOKE USAGE ON SCHEMA public FROM {role}")
