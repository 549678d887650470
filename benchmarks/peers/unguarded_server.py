"""`gateway serve` without its perimeter: it knows keys, runs compiled operations, and no more.

No limits, no cost, no origins, no forms of answers, no log of accesses, no watch for clients that
leave: what answering takes by itself. No gateway can be set so.
"""

import sys
from typing import Any

import orjson

from gateway.app import server
from gateway.app.house import House
from gateway.catalogue.formats import Formats
from gateway.cli import main
from gateway.compiled.operations import Operations, Wanted
from gateway.config.clock import today
from gateway.resolvers.query import build_schema
from gateway.tenancy.admission import Admissions
from gateway.tenancy.sealed import ask

_FORMATS = Formats.of((), {})


def _no_link(*_: Any) -> Any:
    raise NotImplementedError


def _application(house: House) -> Any:
    operations, admissions = Operations(build_schema()), Admissions(house.service)
    answers = house.answers

    async def app(scope: Any, receive: Any, send: Any) -> None:
        given = dict(scope["headers"])
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message.get("more_body"):
                break
        caller = await admissions.admit(given[b"authorization"].decode())
        asked = orjson.loads(body)
        document = operations.document(asked["query"], None)
        values = document.coerced(asked["variables"])
        wanted = Wanted(document, caller.stated, values, today(), _no_link, _FORMATS)
        ready = operations.planned(wanted) or operations.compiled(wanted)
        pool = answers.by_values if ready.plan.by_values else answers.by_shape
        answer, _ = ready.completed(await ask(pool, ready.plan.sealed, ready.values, caller))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


if __name__ == "__main__":
    server.application = _application
    server.Audited = lambda _, app: app  # type: ignore[misc,assignment]
    sys.argv = ["gateway", "serve"]
    main()
