"""From media files to pixels, in threads that work ahead of the model that needs them next."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MAX_WORKERS = 16
# so many images are decoded for each thread before the first of them is needed
_AHEAD = 4

Task = TypeVar("Task")
Result = TypeVar("Result")


class UnreadableImage(Exception):
    """An image cannot be decoded; its text says why in a few words."""


def read_image(path: str) -> Image.Image:
    """Decodes an image file into RGB.

    Raises:
        UnreadableImage: if the file is missing, empty, truncated or no image
    """
    try:
        with Image.open(path) as image:
            # The pixels are used as they are stored, without EXIF rotation, as FiftyOne's own
            # patch embeddings do.
            return image.convert("RGB")
    except FileNotFoundError:
        raise UnreadableImage("the file does not exist") from None
    # Pillow's decoders raise many kinds of errors on malformed files, SyntaxError among them
    except Exception as error:
        raise UnreadableImage(str(error) or type(error).__name__) from error


def read_pixels(path: str) -> NDArray[np.uint8]:
    """Decodes an image file into (height, width, 3) RGB.

    JPEGs by torchvision, which gives the same pixels as Pillow in three quarters of the time.

    Raises:
        UnreadableImage: if the file is missing, empty, truncated or no image
    """
    from torchvision.io import ImageReadMode, decode_jpeg, read_file

    try:
        image = decode_jpeg(read_file(path), ImageReadMode.RGB)
    except RuntimeError:  # it is no JPEG, or a broken one, of which Pillow says what is wrong
        return np.array(read_image(path))
    pixels: NDArray[np.uint8] = image.permute(1, 2, 0).numpy()
    return pixels


def num_workers_beside(device: str, cores: int | None = None) -> int:
    """Returns how many threads should decode for a model on a device: one per core, 16 at most, and
    half as many where the model is on the processor and keeps all cores busy itself.

    Args:
        device: the model's, such as ``"cpu"`` or ``"cuda"``
        cores: by default those of the machine
    """
    cores = cores or os.cpu_count() or 1
    return max(1, min(cores // 2 if device == "cpu" else cores, _MAX_WORKERS))


class DecodingThreads:
    """Threads that decode images, for as long as a run takes.

    One set for a whole run: new threads would each get memory of their own from the allocator,
    which it does not give back.
    """

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers
        self._pool = ThreadPoolExecutor(self.num_workers, "labelvet-decode", _use_one_thread)

    def __enter__(self) -> DecodingThreads:
        return self

    def __exit__(self, *_: object) -> None:
        # a cancelled run does not decode what is still queued
        self._pool.shutdown(cancel_futures=True)

    def work_ahead(
        self, work: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | UnreadableImage]]:
        """Works on tasks ahead of whoever takes the results.

        Args:
            work: decodes an image, and does what else can be done in a thread
            tasks: what ``work`` takes; drawn as the results are taken

        Yields:
            each task, in order, with its result, or the :class:`UnreadableImage` that it raised
        """

        def attempt(task: Task) -> tuple[Task, Result | UnreadableImage]:
            try:
                return task, work(task)
            except UnreadableImage as reason:
                return task, reason

        pending: deque[Future[tuple[Task, Result | UnreadableImage]]] = deque()
        for task in tasks:
            pending.append(self._pool.submit(attempt, task))
            if len(pending) > _AHEAD * self.num_workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _use_one_thread() -> None:
    """Keeps torch from starting threads that help the calling one, where there is one for each core
    already; the others keep theirs."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.get_num_threads()  # the first call in a thread sets its number, and would do so later
    threadpool_limits(1, user_api="openmp")
