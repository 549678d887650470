"""How long a document of a new shape takes until it can be asked: `python -m benchmarks.compiling`.

Documents of `benchmarks.shapes`, no two alike, are read (parsed, validated, their cost worked out)
and compiled to a statement, each once, in a process that has compiled others before, without a
database. Beside it stands graphql-core's own parsing and validation of the same text.
"""

import argparse
from collections.abc import Callable
from statistics import median, quantiles
from time import perf_counter
from typing import Any

from graphql import parse, validate

from benchmarks.measure import Cell, table
from benchmarks.shapes import documents
from gateway.catalogue.formats import Formats
from gateway.compiled.operations import Operations, Wanted
from gateway.config.clock import today
from gateway.resolvers.query import build_schema
from gateway.tenancy.principal import Principal, Role
from gateway.tenancy.scope import mint

_WARM = 30
_VENDORS = {number: f"V{number:03}" for number in range(100)}
_PRODUCTS = {10: "P", 11: "Q"}
_OWNERS = dict.fromkeys(_PRODUCTS, (1, "SZSEINFO"))
_FORMATS = Formats.of((), {})


def _no_link(*_: Any) -> Any:
    raise NotImplementedError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", type=int, default=150, help="distinct documents")
    made = documents(parser.parse_args().shapes)
    schema = build_schema()
    graph = schema._schema  # noqa: SLF001 (no public way to graphql-core's)
    operations = Operations(schema)
    analyst = Principal("key:benchmark", Role.LICENSOR_ANALYST, licensor="SZSEINFO", holder=-1)
    scope = mint(analyst, _VENDORS, _PRODUCTS, _OWNERS).stating("benchmark")
    seconds: dict[str, list[float]] = {}

    def timed(what: str, work: Callable[..., Any], *given: Any) -> Any:
        begin = perf_counter()
        done = work(*given)
        seconds.setdefault(what, []).append(perf_counter() - begin)
        return done

    def core(text: str) -> None:
        if validate(graph, parse(text)):
            raise AssertionError(text)

    for at, text in enumerate(made):
        if at == _WARM:
            seconds.clear()
        timed("graphql-core: parse and validate", core, text)
        document = timed("the gateway reads it", operations.document, text, None)
        wanted = Wanted(document, scope, document.coerced({}), today(), _no_link, _FORMATS)
        if operations.planned(wanted) is not None:
            raise AssertionError("it is not new")
        timed("… and compiles it", operations.compiled, wanted)
        timed("the next request of its shape", operations.planned, wanted)
    base = median(seconds["graphql-core: parse and validate"])
    rows: list[list[Cell]] = [
        [what, median(some) * 1000, quantiles(some, n=10)[-1] * 1000, median(some) / base]
        for what, some in seconds.items()
    ]
    heads = ("", "median, ms", "one in ten takes longer than, ms", "× graphql-core")
    print(table(f"{len(made) - _WARM} documents of new shapes", heads, rows))


if __name__ == "__main__":
    main()
