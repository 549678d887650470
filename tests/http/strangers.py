"""What Schemathesis checks of each answer. Its own check takes any error for the server's fault."""

from typing import Any

import schemathesis


@schemathesis.check
def no_fault_of_the_server(ctx: Any, response: Any, case: Any) -> None:
    """Neither a status of the server's nor an error that is masked because nobody expected it."""
    assert response.status_code < 500, f"status {response.status_code}"
    told = response.json()
    codes = [(one.get("extensions") or {}).get("code") for one in told.get("errors", ())]
    assert all(codes), f"an error without a code: {response.text[:300]}"
    assert "INTERNAL" not in str(codes), response.text[:300]
