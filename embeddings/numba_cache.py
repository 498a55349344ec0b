"""Keeps what numba compiles for umap-learn and pynndescent, so that a process compiles less.

Both compile their functions anew in every process: half a minute for the first map. numba can keep
them on disk, in its own cache, but neither library asks for it. Tried with umap-learn 0.5.12,
pynndescent 0.7 and numba 0.68; where numba's names differ, this does nothing.
"""

from __future__ import annotations

import sys


def keep_compiled(package: str) -> None:
    """Makes numba keep the compiled functions of an imported package for the next process."""
    try:
        from numba.core.caching import NullCache
        from numba.core.registry import CPUDispatcher
    except ImportError:
        return
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != package:
            continue
        for function in list(vars(module).values()):
            if isinstance(function, CPUDispatcher) and isinstance(
                getattr(function, "_cache", None), NullCache
            ):
                try:
                    function.enable_caching()
                # numba has nowhere to write: it compiles anew, as it did before
                except RuntimeError:
                    return
