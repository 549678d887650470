"""All tables in one metadata, for migrations and the drift check."""

import gateway.audit.models
import gateway.catalogue.models
import gateway.findings.models
import gateway.records.models
import gateway.statistics.models
import gateway.tenancy.models  # noqa: F401 (each import fills the metadata)
from gateway.db.base import Base

metadata = Base.metadata
