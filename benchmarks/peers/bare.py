"""An ASGI function that only reads and answers: what a server costs by itself."""

from typing import Any, Final

ANSWER: Final = b"x" * 11_000


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read a request's body, and send an answer."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})
