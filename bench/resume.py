"""A run that is killed at half: how much the same call does again, and whether it ends the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from .report import Aim, quick, write

_CODE = """
import json, os, sys
from pathlib import Path
import numpy as np
import torch, torchvision
from labelvet.bench.data import noise_table
from labelvet.embeddings.backbones import load_backbone
from labelvet.embeddings.embedder import embed_patches
n, images, weights, counter, out = int(sys.argv[1]), *sys.argv[2:6]
if not Path(weights).exists():
    torch.manual_seed(51)
    torch.save(torchvision.models.mobilenet_v3_small(weights=None).state_dict(), weights)
backbone = load_backbone("mobilenet_v3_small", weights=weights, precision="fp32")
embed, done = backbone.embed, 0
def count(inputs):
    global done
    vectors = embed(inputs)
    done += len(inputs)
    Path(counter).write_text(str(done))
    return vectors
backbone.embed = count
embedded = embed_patches(noise_table(Path(images), n), backbone)
np.save(out, embedded.vectors)
print(json.dumps({"reused": embedded.reused, "embedded": done}))
"""


def run(folder: Path) -> None:
    """Runs the bench."""
    from labelvet.embeddings.store import SHARD_PATCHES

    n = 6_000 if quick() else 20_000
    whole = _finish(_start(folder, "undisturbed", n))
    killed = _start(folder, "killed", n)
    counter = folder / "killed.count"
    while not counter.exists() or int(counter.read_text() or 0) < n // 2:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    before = int(counter.read_text())
    resumed = _finish(_start(folder, "killed", n))
    same = np.array_equal(np.load(folder / "undisturbed.npy"), np.load(folder / "killed.npy"))
    twice = before + resumed["embedded"] - n
    figures = {
        "patches": n,
        "shard": SHARD_PATCHES,
        "undisturbed": whole,
        "embedded_before_the_kill": before,
        "resumed": resumed,
        "embedded_twice": twice,
    }
    targets = [
        Aim("patches embedded twice, in shards", twice / SHARD_PATCHES, "<=", 1),
        Aim("the same embeddings to the last bit, fp32", float(same), ">=", 1),
    ]
    write("resume", figures, targets)


def _start(folder: Path, name: str, n: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(
                sys.executable,
                "-c",
                _CODE,
                str(n),
                str(folder / "noise"),
                str(folder / "weights.pt"),
            ),
            *(str(folder / f"{name}.count"), str(folder / f"{name}.npy")),
        ],
        env={**os.environ, "LABELVET_CACHE_DIR": str(folder / f"cache-{name}")},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _finish(process: subprocess.Popen[str]) -> Any:
    output = process.communicate()[0]
    if process.returncode:
        raise RuntimeError("the run failed")
    return json.loads(output.splitlines()[-1])
