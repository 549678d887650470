"""Programs for Node, installed by the lock files beside them; Node itself is a Python package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def install(source: Path, target: Path) -> Path:
    """Copy a program and install what its lock file names; return where it is."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules"))
    run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", place=target)
    return target


def run(*command: str, place: Path) -> str:
    """Run a program to its end and return what it prints; AssertionError if it fails."""
    ran = subprocess.run(
        command, cwd=place, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
