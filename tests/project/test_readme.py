"""The documents' shell lines run as they stand, in an empty folder, on an embedded database."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gateway-readme-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def run(document: str, place: Path) -> str:
    """Run a document's shell lines; return what they print."""
    text = (ROOT / document).read_text(encoding="utf-8")
    (script,) = re.findall(r"<!-- run -->\n```sh\n(.*?)```", text, re.DOTALL)
    programs = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=place,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "GATEWAY_DATA_DIR": "data"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_edition_in_the_catalogues_document(place: Path) -> None:
    told = run("docs/catalogue.md", place).splitlines()
    assert "added spec SZSE-BINARY-TRADING-1.27" in told
    assert "added product 深交所网络版增强行情" in told
    assert "licence ACME 深交所网络版增强行情" in told


def test_the_first_file_of_the_readme(place: Path) -> None:
    told = run("README.md", place)
    assert (place / "out.txt").read_bytes() == (place / "users.txt").read_bytes()
    monthly = [line for line in told.splitlines() if line.startswith("艾柯")]
    assert monthly == [
        "艾柯信息有限公司||202601||1||0||0||0||1||0||12.00",
        "艾柯信息有限公司||202602||1||0||0||1||1||0||12.00",
        "艾柯信息有限公司||202603||1||0||0||1||0||1||12.00",
    ]
