"""The built wheel, alone in an empty environment, runs: migrations and all travel inside it."""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINE = "u1||甲||个人||全价用户||20260101||0||产品||Web||0||0||0\n"


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gateway-wheel-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_alone(place: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    source = place / "source"
    kept = shutil.ignore_patterns(".*", "__pycache__", "dist", "build")
    shutil.copytree(ROOT, source, ignore=kept)
    run(*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", place, source, cwd=place)
    (wheel,) = place.glob("*.whl")
    venv.create(place / "env")
    install = [*pip, "--python", place / "env" / "bin" / "python", "install", "-q", "--no-compile"]
    run(*install, "--require-hashes", "-r", ROOT / "requirements.lock", cwd=place)
    run(*install, "--no-deps", wheel, cwd=place)
    gateway = place / "env" / "bin" / "gateway"
    (place / "users.txt").write_text(LINE, encoding="utf-8")
    run(gateway, "product", "add", "产品", cwd=place)
    run(gateway, "vendor", "add", "A", "甲公司", cwd=place)
    assert "added spec SZSE-MULTICAST-1.00" in run(gateway, "catalogue", "load", cwd=place)
    assert "1 added" in run(gateway, "import", "users", "users.txt", "--vendor", "A", cwd=place)
    assert run(gateway, "export", "users", "--vendor", "A", cwd=place) == LINE
    assert "WRONG" not in run(gateway, "doctor", cwd=place)
