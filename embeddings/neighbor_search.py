"""The approximate search for neighbors, in a process of its own, which can be stopped.

pynndescent runs to its end in one call that holds Python's lock: seconds at 30,000 vectors, minutes
at a million. In this process nothing could cancel it, and where a run is a thread of the App, the
App would not answer. The vectors are read from a file, so that both processes share its pages.

``python -m labelvet.embeddings.neighbor_search N DIMENSION K METRIC SEED``, with the vectors on
standard input; ``(n, k)`` indices and distances come back on standard output, as numpy saves them,
and on standard error which pass over the vectors has begun.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from threading import Thread
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ..core.errors import NeighborsUnavailable, StoreFull
from ..core.processes import end_with_parent
from .store import store_folder, temporary_file

_CHECK_SECONDS = 0.2
# as pynndescent says it, tried with 0.7
_PASS = re.compile(r"\s*(\d+)\s+/\s+(\d+)\s*")

_IMPORTABLE = Path(__file__).resolve().parents[1] / "importable"


def search_neighbors(
    vectors: NDArray[np.float32],
    k: int,
    metric: str,
    seed: int | None,
    progress: Callable[[int, int], None],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Searches with pynndescent (Dong et al., "Efficient k-nearest neighbor graph construction for
    generic similarity measures", 2011).

    Args:
        vectors: (n, d) float32
        k: neighbors of each, itself included
        metric: one of pynndescent's
        seed: makes the search reproducible
        progress: called several times a second with how many passes are done, and of how many at
            most; what it raises ends the search

    Returns:
        ``(n, k)`` int32 rows of the neighbors, nearest first, and float32 distances to them

    Raises:
        NeighborsUnavailable: if the search ends before its time
        StoreFull: if the disk of the store is full
    """
    with temporary_file() as given, temporary_file() as found:
        try:
            vectors.tofile(given)
        except OSError as error:
            raise StoreFull(
                f"The disk of '{store_folder()}' has no room for {vectors.nbytes / 2**30:.1f} GB "
                "while neighbors are searched: make room, or set LABELVET_CACHE_DIR to another "
                "folder, and run this again. What was embedded is kept."
            ) from error
        given.seek(0)
        _run(given, found, [*map(str, vectors.shape), str(k), metric, str(seed)], progress)
        found.seek(0)
        return np.load(found), np.load(found)


def _run(
    given: IO[bytes], found: IO[bytes], arguments: list[str], progress: Callable[[int, int], None]
) -> None:
    path = os.pathsep.join([str(_IMPORTABLE), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, *arguments],
        stdin=given,
        stdout=found,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)},
    )
    begun, most = 1, 0

    def listen() -> None:
        nonlocal begun, most
        assert process.stderr is not None
        for line in process.stderr:
            if said := _PASS.fullmatch(line):
                begun, most = map(int, said.groups())
            else:
                sys.stderr.write(line)

    listening = Thread(target=listen, daemon=True)
    listening.start()
    try:
        while process.poll() is None:
            progress(begun - 1, most)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_CHECK_SECONDS)
    finally:
        process.kill()
        process.wait()
        listening.join()
        assert process.stderr is not None
        process.stderr.close()
    if process.returncode:
        raise NeighborsUnavailable(
            f"The neighbor search ended unexpectedly (code {process.returncode}), as it does "
            "when the memory or the disk is full. What was embedded is kept: make room and run "
            "this again."
        )


class _Passes(io.TextIOBase):
    """Of what pynndescent prints, the passes alone go to standard error."""

    def __init__(self) -> None:
        self._line = ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if _PASS.fullmatch(line):
                print(line, file=sys.stderr, flush=True)
        return len(text)


def main() -> None:
    """Searches among the vectors on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked decides
    with suppress(OSError, AttributeError):
        end_with_parent(signal.SIGKILL)
    from pynndescent import NNDescent

    from .numba_cache import keep_compiled

    n, dimension, k = map(int, sys.argv[1:4])
    metric, seed = sys.argv[4], None if sys.argv[5] == "None" else int(sys.argv[5])
    # mode "c": numba has nothing compiled for arrays that are read-only
    vectors = np.memmap(sys.stdin.buffer, np.float32, "c", shape=(n, dimension))  # type: ignore[call-overload]
    keep_compiled("pynndescent")
    # twice the neighbors, cut to half: recall at 15 of .998 instead of .955, for twice the time
    with warnings.catch_warnings(), redirect_stdout(_Passes()):
        warnings.simplefilter("ignore")  # numba names the functions that it cannot keep
        index = NNDescent(
            np.asarray(vectors), n_neighbors=2 * k, metric=metric, random_state=seed, verbose=True
        )
        indices, distances = index.neighbor_graph
    np.save(sys.stdout.buffer, indices[:, :k].astype(np.int32))
    np.save(sys.stdout.buffer, distances[:, :k].astype(np.float32))


if __name__ == "__main__":
    main()
