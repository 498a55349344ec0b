"""Twenty people at once: what one App server answers, on loopback, for a bounded time.

Each client is a thread with a connection of its own that asks as soon as it is answered, which is
more than a panel does: what is measured is what the server can take.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from threading import Barrier
from typing import Any

from ..core.app_server import app_server
from .report import Aim, quick, write

_CLIENTS = 20
_RUNS_LISTED = 200
_TIMEOUT_SECONDS = 120
_CONFIDENCE = "predictions.detections.confidence"
# a list operator of FiftyOne itself: what the server does for any call
_STOCK = "@voxel51/operators/list_saved_views"
_ALL = {"_cls": "fiftyone.core.stages.Limit", "kwargs": [["limit", 10**9]]}
_FIRST = {
    "_cls": "fiftyone.core.stages.LimitLabels",
    "kwargs": [["field", "predictions"], ["limit", 10**6]],
}
_RUNS, _MAP = "@labelvet/labelvet/labelvet_runs", "@labelvet/labelvet/label_embeddings"


class Client:
    """A page of the App, as its server sees it.

    Args:
        port: the App's port on loopback
        dataset: the name of the dataset
        id_: the id of the dataset
        seed: of what it filters by
    """

    def __init__(self, port: int, dataset: str, id_: str, seed: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
        self._dataset: dict[str, Any] = {"dataset_name": dataset, "dataset_id": id_}
        self._view: list[dict[str, Any]] = []
        self._random = random.Random(seed)

    def stock(self) -> None:
        """Asks FiftyOne itself."""
        self._call(_STOCK, {})

    def poll(self) -> None:
        """Asks for the runs, as an open *Runs* does again and again."""
        self.ask(_RUNS, "Runs", "list_operations", state=None, limit=_RUNS_LISTED, skip=0)

    def ask(self, panel: str, component: str, method: str, **params: Any) -> dict[str, Any]:
        """Calls a method of a panel, and returns its answer."""
        from labelvet.panels.contracts import CONTRACTS

        contract = {"__method__": method, "panel_id": method, "contract": CONTRACTS[component]}
        answer = self._call(panel, {**params, **contract})
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def filter(self, opened: dict[str, Any]) -> None:
        """Sets a filter that nobody has set before, and asks what a map shows under it."""
        lowest = self._random.uniform(0.2, 0.8)
        given = {"range": [lowest, 1], "exclude": False, "isMatching": False}
        self._dataset["filters"] = {_CONFIDENCE: given}
        answer = self.ask(_MAP, "LabelEmbeddings", "visible_rows", **opened)
        if not answer["count"]:
            raise RuntimeError("The filter shows nothing.")

    def filter_in(self, stage: dict[str, Any], opened: dict[str, Any]) -> None:
        """The same in a view."""
        self._view = [stage]
        try:
            self.filter(opened)
        finally:
            self._view = []

    def _call(self, uri: str, params: dict[str, Any]) -> dict[str, Any]:
        asked = {"operator_uri": uri, "params": params, "view": self._view, **self._dataset}
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/operators/execute", json.dumps(asked), headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200 or answer.get("error"):
            raise RuntimeError(f"{uri} answers {response.status}: {answer.get('error')}")
        return answer.get("result") or {}


def run(folder: Path) -> None:
    """Runs the bench."""
    from .panel_data import KEY, make_dataset

    images, calls = (2_500, 5) if quick() else (25_000, 15)
    dataset = make_dataset(folder / "images", "load", images, 4)
    _fill_queue(dataset._doc.id)
    id_ = str(dataset._doc.id)
    with app_server() as server:
        server.wait()
        clients = [Client(server.port, dataset.name, id_, seed) for seed in range(_CLIENTS)]
        first = clients[0].ask(_MAP, "LabelEmbeddings", "open_run", key=KEY)
        opened = {"key": KEY, "run": first["run"]["run"]}
        alone = _together(clients[:1], lambda client: client.filter(opened), calls)
        stock = _together(clients, Client.stock, calls)
        polls = _together(clients, Client.poll, calls)
        filters = _together(clients, lambda client: client.filter(opened), calls)
        few = max(1, calls // 3)
        views = _together(clients, lambda client: client.filter_in(_ALL, opened), few)
        # of its labels, not its samples: only the database can evaluate what is filtered then
        others = _together(clients, lambda client: client.filter_in(_FIRST, opened), few)
    figures = {
        "points": 4 * images,
        "clients": _CLIENTS,
        "calls_of_each": calls,
        "filter_by_one_client": alone,
        "stock_operator": stock,
        "list_of_runs": polls,
        "filter": filters,
        "filter_in_view": views,
        "filter_in_database": others,
    }
    targets = [
        Aim("rows under a filter, median, s", filters["median"], "<=", 2.0),
        Aim("the same in a view, median, s", views["median"], "<=", 2.0),
        Aim(
            "lists of runs a second, of FiftyOne's own calls",
            polls["per_second"] / stock["per_second"], ">=", 0.5,
        ),
    ]  # fmt: skip
    write("load", figures, targets)


def _fill_queue(dataset_id: Any) -> None:
    """Puts runs into the list that have ended, with logs as long as they get."""
    from labelvet.workers.operations import COMPLETED, PLUGIN, queue

    log = "\n".join(["a line of a log"] * 1250)
    document = {
        "operator": f"{PLUGIN}compute_visualization",
        "label": "Compute visualization",
        "run_state": COMPLETED,
        "dataset_id": dataset_id,
        "context": {"request_params": {"params": {"brain_key": "a_key"}}},
        "labelvet": {"log": log},
    }
    queue().insert_many([dict(document) for _ in range(_RUNS_LISTED)])


def _together(clients: list[Client], call: Callable[[Client], Any], calls: int) -> dict[str, float]:
    """Has all clients call at once; calls a second, and median and slowest in seconds."""
    barrier = Barrier(len(clients))

    def work(client: Client) -> list[float]:
        barrier.wait()
        seconds = []
        for _ in range(calls):
            start = time.perf_counter()
            call(client)
            seconds.append(time.perf_counter() - start)
        return seconds

    start = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as threads:
        seconds = [second for each in threads.map(work, clients) for second in each]
    elapsed = time.perf_counter() - start
    return {
        "per_second": round(len(seconds) / elapsed, 2),
        "median": round(median(seconds), 3),
        "slowest": round(max(seconds), 3),
    }
