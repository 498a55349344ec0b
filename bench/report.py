"""What every bench writes: raw figures, the machine, and how they compare with the aims."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("fiftyone", "torch", "torchvision", "numpy", "scikit-learn", "umap-learn",
             "pynndescent", "numba", "pillow", "openvino", "ray")  # fmt: skip
_COMPARE = {">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b}


@dataclass(frozen=True)
class Aim:
    """One number that was promised, and what was measured."""

    name: str
    value: float
    comparison: str
    target: float

    @property
    def met(self) -> bool:
        """Whether the promise was kept."""
        return bool(_COMPARE[self.comparison](self.value, self.target))


def quick() -> bool:
    """Whether a smaller run of a few minutes was asked for."""
    return os.environ.get("QUICK", "") not in ("", "0")


def write(name: str, figures: dict[str, Any], aims: list[Aim]) -> None:
    """Writes ``results/<name>.json`` (a quick run ``<name>-quick.json``) and prints the table."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}{'-quick' if quick() else ''}.json"
    content = {
        "date": date.today().isoformat(),
        "quick": quick(),
        "machine": _machine(),
        "targets": [
            {**asdict(t), "value": round(t.value, 4), "met": t.met} for t in aims
        ],
        "figures": figures,
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=1) + "\n")
    width = max(len(aim.name) for aim in aims)
    for aim in aims:
        verdict = "met" if aim.met else "MISSED"
        print(f"{aim.name:{width}}  {aim.value:10.4g} {aim.comparison} {aim.target:<8g} {verdict}")
    print(f"Written to bench/results/{path.name}")


def _machine() -> dict[str, Any]:
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
