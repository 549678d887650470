"""Registered documents: which text a request stands for, and whether its caller may run it."""

from collections import OrderedDict
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.errors import Forbidden, NotFound
from gateway.http.asked import Asked
from gateway.tenancy.authenticate import registered_document
from gateway.tenancy.principal import Principal
from gateway.tenancy.registered import digest_of_document

_MOST: Final = 1000


class TrustedDocuments:
    """Texts by their digests. A text never changes; whether a caller has it, the principal says."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine to ask by."""
        self._engine = engine
        self._texts: OrderedDict[str, str] = OrderedDict()

    async def text(self, asked: Asked, principal: Principal, presented: bytes) -> str:
        """Return the document to run.

        NotFound for a digest that is not the caller's, Forbidden for a caller who may only run
        registered documents and brings another.
        """
        if asked.digest is None:
            if principal.runs is not None and digest_of_document(asked.query) not in principal.runs:
                raise Forbidden(
                    "this credential runs registered documents only",
                    "该凭据只能运行已登记的文档",
                    argument="query",
                    accepted="the very text of such a document, "
                    'or a registered one as {"documentId": "sha256:…"}',
                )
            return asked.query
        if asked.query and digest_of_document(asked.query) != asked.digest:
            raise _unknown(asked.digest)
        if asked.digest not in principal.documents:
            raise _unknown(asked.digest)
        found = self._texts.get(asked.digest)
        if found is not None:
            self._texts.move_to_end(asked.digest)
            return found
        read = await registered_document(self._engine, presented, asked.digest)
        if read is None:
            raise _unknown(asked.digest)
        self._texts[asked.digest] = read
        if len(self._texts) > _MOST:
            self._texts.popitem(last=False)
        return read


def _unknown(digest: str) -> NotFound:
    return NotFound.of("document", "文档", f"sha256:{digest}", argument="documentId")
