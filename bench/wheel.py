"""The wheel of this checkout, and an environment that has it."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
from pathlib import Path

from .data import ROOT

_LEFT_OUT = (".*", "__pycache__", "tests", "node_modules", "*.egg-info")


def build_wheel(folder: Path) -> Path:
    """Builds the wheel in a folder and returns its file.

    Raises:
        subprocess.CalledProcessError: if it cannot be built
    """
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", folder, source], check=True, timeout=300)
    (file,) = folder.glob("*.whl")
    return file


def install_wheel(wheel: Path, folder: Path) -> None:
    """Makes a virtual environment with a wheel, and with every other package that is here."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # as a plain path: the .pth files there, and with them the editable labelvet, are not read
    (packages / "here.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    subprocess.run([*pip, "-q", "--no-deps", "--no-index", str(wheel)], check=True, timeout=120)
