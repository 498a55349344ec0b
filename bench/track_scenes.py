"""Videos of moving cut-outs, whose tracks are known, and how label issues do with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from labelvet.demo.scenes import HEIGHT, WIDTH, draw_landscape
from labelvet.demo.stamps import load_stamps
from labelvet.embeddings.catalog import DEFAULT_BACKBONE
from labelvet.issues.kinds import WRONG_CLASS
from labelvet.issues.suspicion import find_suspects
from labelvet.issues.tracks import link_frames
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from sklearn.metrics import average_precision_score

from .data import STAMPS
from .issues_data import Labels, Row, embed, table_of
from .report import quick

_FRAMES, _THINGS = 25, 5


@dataclass(frozen=True, eq=False)
class Followed:
    """Labels of frames, with their tracks.

    Attributes:
        labels: n true labels
        tracks: (n,) the track of each
        videos: (n,) the video
        frames: (n,) the number of the frame in its video
    """

    labels: Labels
    tracks: NDArray[np.int64]
    videos: NDArray[np.int64]
    frames: NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """Frames of videos, before anything looked at them.

    Attributes:
        paths: the files of the frames, video after video
        rows: the labels: the place of its frame among the paths, class, box and confidence
        places: (n, 3) the track, the video and the number of the frame of each label
    """

    paths: list[str]
    rows: list[Row]
    places: NDArray[np.int64]


def draw_videos(folder: Path, seed: int, num_videos: int, num_things: int = _THINGS) -> Drawn:
    """Writes the frames of videos, in each of which cut-outs move before a landscape."""
    stamps, rng = load_stamps(STAMPS), np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(stamps)
    paths: list[str] = []
    rows: list[Row] = []
    places: list[tuple[int, int, int]] = []
    for video in range(num_videos):
        ground = draw_landscape(rng)
        things = []
        for number in range(num_things):
            name = names[rng.integers(len(names))]
            stamp = Image.fromarray(stamps[name][rng.integers(len(stamps[name]))])
            side = rng.uniform(0.18, 0.4) * HEIGHT * _THINGS / num_things
            # each in a strip of its own, so that none hides another
            start = np.array([WIDTH * (number + 0.1) / num_things, rng.uniform(0, 0.5) * HEIGHT])
            speed = rng.normal(0, 3, 2) * (0.3, 1)
            things.append((name, stamp, side, start, speed, rng.uniform(0.6, 1.25)))
        for frame in range(_FRAMES):
            image = ground.copy()
            for number, (name, stamp, side, start, speed, light) in enumerate(things):
                ratio = side * (1 + 0.15 * np.sin(frame / 8 + number)) / max(stamp.size)
                size = [max(8, round(extent * ratio)) for extent in stamp.size]
                cut_out = stamp.rotate(3 * np.sin(frame / 6 + number)).resize(size)
                alpha = cut_out.getchannel("A")
                shown = ImageEnhance.Brightness(cut_out.convert("RGB")).enhance(
                    light + rng.normal(0, 0.03)
                )
                shown = shown.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1)))
                x, y = np.clip(start + speed * frame, 0, (WIDTH - size[0], HEIGHT - size[1]))
                image.paste(shown, (int(x), int(y)), alpha)
                # a tracker's boxes tremble
                box = np.array([int(x), int(y), *size]) + rng.normal(0, 0.02, 4) * (size * 2)
                box = np.clip(box / (WIDTH, HEIGHT, WIDTH, HEIGHT), 0, 0.98)
                rows.append((len(paths), name, box, np.nan))
                places.append((video * num_things + number, video, frame))
            paths.append(str(folder / f"{video}-{frame}.jpg"))
            image.save(paths[-1], quality=90)
    return Drawn(paths, rows, np.array(places))


def compose_videos(folder: Path, seed: int, num_videos: int) -> Followed:
    """Draws videos and embeds their labels."""
    drawn = draw_videos(folder, seed, num_videos)
    table = table_of(f"videos-{seed}", drawn.paths, drawn.rows)
    return Followed(embed(table, DEFAULT_BACKBONE), *drawn.places.T)


def track_faults(folder: Path) -> dict[str, Any]:
    """Puts wrong classes into whole tracks and into single frames, and looks for them."""
    followed = compose_videos(folder / "videos", 0, 12 if quick() else 40)
    vectors, boxes = followed.labels.vectors, followed.labels.table.boxes
    # with a gap between videos
    moments = followed.videos * (_FRAMES + 1) + followed.frames
    links = link_frames(moments, boxes, vectors, np.full(len(moments), -1))
    ways = {"labels alone": None, "tracks": followed.tracks, "followed": links}
    sums: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for seed in range(1, 2 if quick() else 4):
        table, whole, single = _flip(followed, seed)
        for name, tracks in ways.items():
            found = find_suspects(table, vectors, tracks=tracks)
            marked = found.likeliest == WRONG_CLASS
            right_class = found.suggested[:, 0] == followed.labels.table.codes
            wrong = whole | single
            sums[name].append(
                {
                    "average_precision": float(average_precision_score(wrong, found.suspicion)),
                    "precision": float(wrong[marked].mean()) if marked.any() else 0.0,
                    "recall, whole tracks": float(marked[whole].mean()),
                    "recall, single frames": float(marked[single].mean()),
                    "suggested": float(right_class[wrong].mean()),
                }
            )
    return {
        "labels": len(followed.tracks),
        "tracks": int(followed.tracks.max()) + 1,
        **{
            name: {figure: round(mean(one[figure] for one in some), 3) for figure in some[0]}
            for name, some in sums.items()
        },
    }


def _flip(
    followed: Followed, seed: int
) -> tuple[Any, NDArray[np.bool_], NDArray[np.bool_]]:  # fmt: skip
    """Gives a tenth of the tracks, and a fiftieth of the other labels, another class."""
    rng = np.random.default_rng(seed)
    table, tracks = followed.labels.table, followed.tracks
    k, t = len(table.classes), int(tracks.max()) + 1
    whole = np.isin(tracks, rng.choice(t, round(0.1 * t), replace=False))
    single = ~whole & (rng.random(len(table)) < 0.02)
    moved = rng.integers(1, k, t)[tracks]
    moved[single] = rng.integers(1, k, single.sum())
    codes = np.where(whole | single, (table.codes + moved) % k, table.codes).astype(np.int32)
    return replace(table, codes=codes), whole, single
