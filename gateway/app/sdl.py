"""The schema in GraphQL's schema definition language: `python -m gateway.app.sdl`."""

import sys

from gateway.resolvers.query import build_schema


def sdl() -> str:
    """Return the text of schema.graphql."""
    return build_schema().as_str().rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(sdl())
