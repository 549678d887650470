"""`gateway demo|serve`: the server."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from gateway.app.house import open_house
from gateway.app.migrate import migrate
from gateway.app.server import listening, serve
from gateway.cli.house import upgraded
from gateway.cli.run import configured, console, run
from gateway.demo.load import found_demo


def serve_command() -> None:
    """Run the server."""

    async def work() -> None:
        config = configured()
        async with listening(config) as held, open_house(config) as house:
            if config.database_url is None:
                await upgraded(house)
            await serve(house, held, lambda at: console.print(f"serving on {at}/graphql"))

    run(work, serving=True)


def demo_command(
    scale: Annotated[float, typer.Option(min=0.001, max=50, help="1 is 200,000 records.")] = 1.0,
) -> None:
    """Load a demo market on an empty embedded database, print keys and addresses, and serve."""

    async def work() -> None:
        config = configured()
        if "data_dir" not in config.model_fields_set:
            config = config.model_copy(update={"data_dir": Path(".gateway-demo")})
        async with listening(config) as held, open_house(config) as house:
            await migrate(house.addresses)
            keys = await found_demo(
                *(house.service, house.operator, house.security), scale, console
            )
            await serve(house, held, lambda at: _welcome(at, keys))

    run(work, serving=True)


def _welcome(at: str, keys: dict[str, str]) -> None:
    licensor, other, vendor = keys["licensor"], keys["other"], keys["vendor"]
    query = "{ monthlyStats(first: 3) { nodes { label vendor { name } fullPriceCount fee } } }"
    body = orjson.dumps({"query": query}).decode()
    console.print(f"\n[bold]The gateway serves on {at}/graphql[/]\n", markup=True)
    console.print(f"key of the data company (SZSE Info, analyst): {licensor}", markup=False)
    console.print(f"key of another one (SSE Info, analyst): {other}", markup=False)
    console.print(f"key of the vendor {keys['code']} (operator): {vendor}\n", markup=False)
    console.print(
        f"{keys['code']} and some other vendors deal in the products of several companies, of whom "
        "each sees its own only.\n",
        markup=False,
    )
    console.print("Try:", markup=False)
    console.print(
        f"curl -s {at}/graphql -H 'Authorization: Bearer {licensor}' "
        f"-H 'Content-Type: application/json' -d '{body}'\n",
        markup=False,
    )
    console.print("Stop with Ctrl-C.", markup=False)
