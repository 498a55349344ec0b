"""The annotation tools that labels are sent to, as FiftyOne's annotation config names them.

FiftyOne's internals are used in this module alone: what its config knows of a backend, and the
client of Label Studio's server behind its results, which alone knows whose annotations are
submitted. Tried with fiftyone 1.22, Label Studio 1.23, and label-studio-sdk 1.0.12 and 2.1.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.util import find_spec
from typing import Any

import fiftyone as fo

from ..core.errors import InvalidParameter, ToolUnavailable, UnknownRun
from ..core.sentences import first_line

LABEL_STUDIO, CVAT, LABELBOX = "labelstudio", "cvat", "labelbox"

# FiftyOne's address of a Label Studio that nobody set up is that of its web site
_NO_SERVER = "https://labelstud.io"


@dataclass(frozen=True)
class _Tool:
    title: str
    settings: tuple[str, ...]
    packages: dict[str, str] = field(default_factory=dict)
    most_images: int | None = None


_TOOLS = {
    LABEL_STUDIO: _Tool(
        "Label Studio",
        ("url", "api_key"),
        {"label_studio_sdk": "pip install label-studio-sdk==1.0.12"},
        # FiftyOne sends all files in one request, and the server takes no more
        most_images=100,
    ),
    CVAT: _Tool("CVAT", ("url", "username", "password")),
}


@dataclass(frozen=True)
class Said:
    """A person's word on an image: who submitted its annotation, and when, in UTC."""

    by: str | None
    at: datetime


@dataclass(frozen=True, eq=False)
class Returned:
    """What a tool has now.

    Attributes:
        labels: ``{sample id: {label id: label}}``; labels that were drawn there have new ids
        said: the samples whose annotations somebody submitted; None where the tool does not say
    """

    labels: dict[str, dict[str, fo.Detection]]
    said: dict[str, Said] | None


def list_tools() -> dict[str, str]:
    """Returns ``{backend: title}`` of the tools that FiftyOne knows, the default first."""
    default = fo.annotation_config.default_backend
    names = sorted(fo.annotation_config.backends, key=lambda name: (name != default, name))
    # FiftyOne cannot send labels there
    return {name: title(name) for name in names if name != LABELBOX}


def title(backend: str) -> str:
    """Returns what people call a backend."""
    return _TOOLS[backend].title if backend in _TOOLS else backend


def images_per_run(backend: str) -> int | None:
    """Returns how many images a tool takes at a time, None for any number."""
    return _TOOLS[backend].most_images if backend in _TOOLS else None


def run_options(backend: str, name: str) -> dict[str, Any]:
    """Returns the arguments of FiftyOne's ``annotate`` that name what it makes in a tool."""
    return {"project_name": name} if backend == LABEL_STUDIO else {}


def check_tool(backend: Any) -> None:
    """Checks that FiftyOne knows how to reach a tool, so that it never asks on a terminal.

    Raises:
        InvalidParameter: if there is no such tool, or labels cannot be sent there
        ToolUnavailable: if its server, its credentials or its package is missing
    """
    if backend == LABELBOX:
        raise InvalidParameter(
            "FiftyOne cannot send labels to Labelbox, only images: choose Label Studio or CVAT."
        )
    if backend not in list_tools():
        raise InvalidParameter(
            f"FiftyOne has no annotation backend '{backend}': choose one of "
            f"{', '.join(list_tools())}."
        )
    tool = _TOOLS.get(backend)
    if tool is None:  # a backend of the user's own
        return
    known = fo.annotation_config.backends[backend]
    missing = [name for name in tool.settings if known.get(name) in (None, "", _NO_SERVER)]
    if missing:
        names = " and ".join(f"FIFTYONE_{backend}_{name}".upper() for name in missing)
        raise ToolUnavailable(
            f"FiftyOne does not know your {tool.title}: set {names}, or {' and '.join(missing)} "
            "in ~/.fiftyone/annotation_config.json, and restart the App."
        )
    for package, install in tool.packages.items():
        if find_spec(package) is None:
            raise ToolUnavailable(
                f"FiftyOne speaks to {tool.title} with the package {package}: {install}."
            )


@contextmanager
def speaking_to(backend: str) -> Iterator[None]:
    """Says what is wrong where a server does not answer, or refuses.

    Raises:
        ToolUnavailable: then
    """
    try:
        yield
    except OSError as error:  # which those of the HTTP client are
        known = fo.annotation_config.backends.get(backend, {})
        server = f"{title(backend)} at {known.get('url')}"
        response = getattr(error, "response", None)
        if response is None:
            if error.filename is not None:  # a file of this machine, not a server
                raise
            raise ToolUnavailable(
                f"{server} does not answer: start it, or correct the address in FiftyOne's "
                "annotation config."
            ) from error
        if response.status_code in (401, 403):
            legacy = (
                " Label Studio has to allow legacy tokens: Organization > API Tokens Settings, or "
                "its option --enable-legacy-api-token."
                if backend == LABEL_STUDIO
                else ""
            )
            raise ToolUnavailable(
                f"{server} refuses the credentials of FiftyOne's annotation config: correct "
                f"them.{legacy}"
            ) from error
        if response.status_code == 404:
            raise ToolUnavailable(
                f"{server} does not have what was sent there any more: send it again."
            ) from error
        raise ToolUnavailable(f"{server} failed: {first_line(error)}.") from error


def download(dataset: fo.Dataset, anno_key: str, label_field: str) -> Returned:
    """Reads what a tool has of an annotation run now; the dataset stays as it is.

    Raises:
        UnknownRun: if the run is gone, or was not sent to its end
        ToolUnavailable: if the tool does not answer
    """
    if not dataset.has_annotation_run(anno_key):
        raise UnknownRun(
            f"The annotation run '{anno_key}' was deleted or renamed in FiftyOne: nothing can be "
            "brought back without it."
        )
    backend = dataset.get_annotation_info(anno_key).config.method
    check_tool(backend)
    results = dataset.load_annotation_results(anno_key, cache=False)
    if results is None:
        raise UnknownRun(f"The annotation run '{anno_key}' was not sent to its end: send it again.")
    with speaking_to(backend):
        # first: what is submitted in between is then taken for what is not yet
        said = _submitted(results) if backend == LABEL_STUDIO else None
        tasks = list(getattr(results, "task_ids", ()))
        found = results.backend.download_annotations(results)
    # FiftyOne forgets those that CVAT does not have any more, as if all their labels were deleted
    if list(getattr(results, "task_ids", ())) != tasks:
        raise ToolUnavailable(
            f"A task of '{anno_key}' was deleted in {title(backend)}: send its labels again under "
            "another key."
        )
    labels = found.get(label_field, {}).get("detections", {})
    return Returned({sample: dict(some) for sample, some in labels.items()}, said)


def _submitted(results: Any) -> dict[str, Said]:
    client = results.connect_to_api()._client
    users = client.make_request("GET", "/api/users").json()
    emails = {user["id"]: user["email"] for user in users}
    tasks = client.get_project(results.project_id).get_tasks(
        selected_ids=list(results.uploaded_tasks)
    )
    said = {}
    for task in tasks:
        if task["is_labeled"]:
            # the one that FiftyOne takes
            newest = max(task["annotations"], key=lambda annotation: annotation["updated_at"])
            if newest["was_cancelled"]:  # skipped: nobody's word on the boxes
                continue
            moment = datetime.fromisoformat(newest["updated_at"].replace("Z", "+00:00"))
            moment = moment.astimezone(timezone.utc).replace(tzinfo=None, microsecond=0)
            by = emails.get(newest.get("completed_by"))
            said[results.uploaded_tasks[task["id"]]] = Said(by, moment)
    return said
