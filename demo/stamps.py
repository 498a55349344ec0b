"""Photographic cut-outs: the stamps that Debian packages for the drawing program Tux Paint.

The package is fetched from the system's own Debian archive and unpacked, never installed and never
distributed with labelvet (GPL-2+).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PACKAGE = "tuxpaint-stamps-default"
_FOLDER = Path("usr/share/tuxpaint/stamps")
# what a scene can show of a stamp, in pixels
_MAX_SIDE = 400

# class → files under the folder of stamps; photographs only, nothing with writing on it
CLASSES = {
    "apple": ["food/fruit/apple_*"],
    "ball": [
        *("sports/basketball", "sports/cricketball", "sports/football", "sports/soccer"),
        *("sports/tennis_ball", "sports/australian_rules_football"),
    ],
    "big cat": ["animals/mammals/cats/*"],
    "bird": ["animals/birds/*"],
    "bovine": [f"animals/mammals/bovines/{name}" for name in ("bison", "bull", "cow*", "yak")]
    + ["animals/mammals/bovines/zebu", "animals/mammals/bovines/gnu*"],
    "car": ["vehicles/auto/beetle", "vehicles/auto/sedan", "vehicles/auto/sportscar2"],
    "deer": ["animals/mammals/deer/*", "animals/mammals/bovines/indian_blackbuck"],
    "dog": ["animals/mammals/dogs/*"],
    "fish": ["animals/fish/*fish", "animals/fish/*groper", "animals/fish/*trout"],
    "flower": ["plants/flowers/*"],
    "guitar": ["hobbies/music/string/guitar*"],
    "horse": ["animals/mammals/equines/*"],
    "insect": ["animals/insects/[bfghmx]*"],
    "mushroom": ["plants/mushrooms/*", "food/vegetables/mushroom"],
    "orange": ["food/fruit/orange*", "food/fruit/mandarine", "food/fruit/sliced_orange"],
    "sheep": [f"animals/mammals/bovines/{name}" for name in ("*goat", "ram", "sheep*")],
    "truck": [
        *("vehicles/auto/truck", "vehicles/emergency/firetruck", "vehicles/garbagetruck"),
        "vehicles/construction/dumper",
    ],
}


class StampsUnavailable(RuntimeError):
    """The cut-outs cannot be fetched on this machine."""


def load_stamps(cache: Path) -> dict[str, list[NDArray[np.uint8]]]:
    """Returns the cut-outs of every class, fetched on the first call.

    Args:
        cache: a folder to keep them in

    Returns:
        ``{class: cut-outs}``, each an array of shape ``(height, width, 4)``, RGBA, at most 400
        pixels long, cropped to what is visible

    Raises:
        StampsUnavailable: if the package cannot be fetched
    """
    folder = _find_stamps(cache)
    return {
        label: [
            _load(path)
            for pattern in patterns
            for path in sorted(folder.glob(f"{pattern}.png"))
        ]
        for label, patterns in CLASSES.items()
    }  # fmt: skip


def _find_stamps(cache: Path) -> Path:
    for root in (cache, Path("/")):
        if (root / _FOLDER).is_dir():
            return root / _FOLDER
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise StampsUnavailable(
            f"The demo's cut-outs come as the Debian package {PACKAGE}, and this is not a Debian "
            f"or Ubuntu. Unpack that package into '{cache}', so that '{cache / _FOLDER}' exists."
        )
    print(f"Fetching cut-outs: the Debian package {PACKAGE}, 161 MB", flush=True)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as scratch:
        _fetch(Path(scratch))
        (archive,) = Path(scratch).glob("*.deb")
        unpacked = Path(scratch) / "unpacked"
        subprocess.run(["dpkg-deb", "-x", str(archive), str(unpacked)], check=True)
        # in one step, so that a run that is interrupted leaves nothing that looks complete
        shutil.rmtree(cache, ignore_errors=True)
        unpacked.rename(cache)
    return cache / _FOLDER


def _fetch(folder: Path) -> None:
    download = ["apt-get", "download", "-qq", PACKAGE]
    attempts = [download]
    if os.geteuid() == 0:
        attempts += [["apt-get", "update", "-qq"], download]
    for command in attempts:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if command is download and result.returncode == 0:
            return
    reason = (result.stderr.strip().splitlines() or ["apt-get failed"])[-1]
    raise StampsUnavailable(
        f"The Debian package {PACKAGE} could not be fetched ({reason}). Try "
        f"'sudo apt-get update', or install it with 'sudo apt-get install {PACKAGE}'."
    )


def _load(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as file:
        stamp = file.convert("RGBA")
    stamp = stamp.crop(stamp.getchannel("A").getbbox())
    stamp.thumbnail((_MAX_SIDE, _MAX_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(stamp)
