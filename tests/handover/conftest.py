import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from PIL import Image

_USER, _TOKEN = "annotator@example.com", "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def boxes(make_dataset, tmp_path):
    """4 images with 2 predictions each, a cat and a dog, all of them flagged."""
    import fiftyone as fo

    dataset = make_dataset()
    for image in range(4):
        file = tmp_path / f"{image}.jpg"
        Image.new("RGB", (120, 80), (50 * image, 100, 50)).save(file)
        detections = [
            fo.Detection(
                label=label,
                bounding_box=[0.1 + 0.4 * place, 0.2, 0.3, 0.4],
                confidence=0.5,
                tags=["needs-review"],
            )
            for place, label in enumerate(("cat", "dog"))
        ]
        dataset.add_sample(fo.Sample(str(file), predictions=fo.Detections(detections=detections)))
    return dataset


@pytest.fixture(scope="session")
def label_studio_server(tmp_path_factory):
    """A Label Studio of the tests' own on loopback: its address, user and token."""
    program = os.environ.get("LABELVET_LABEL_STUDIO") or shutil.which("label-studio")
    if not program:
        pytest.skip("Label Studio is not here: set LABELVET_LABEL_STUDIO to its program")
    pytest.importorskip("label_studio_sdk", reason="label-studio-sdk is not here")
    folder = tmp_path_factory.mktemp("label-studio")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    # nothing is sent to its makers, nor asked of the package index
    quiet = {"collect_analytics": "false", "LATEST_VERSION_CHECK": "false", "SENTRY_DSN": ""}
    command = [
        program, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port),
        "--data-dir", str(folder), "--username", _USER, "--password", "of-the-tests-only",
        "--user-token", _TOKEN, "--enable-legacy-api-token",
    ]  # fmt: skip
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            command, env={**environment, **quiet, "HOME": str(folder)}, stdout=log, stderr=log
        )
    try:
        _wait(process, url, folder / "log")
        yield url, _USER, _TOKEN
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def label_studio(label_studio_server, monkeypatch):
    """What FiftyOne's annotation config knows of that server."""
    import fiftyone as fo

    url, user, token = label_studio_server
    known = {**fo.annotation_config.backends["labelstudio"], "url": url, "api_key": token}
    monkeypatch.setitem(fo.annotation_config.backends, "labelstudio", known)
    return url, user, token


def _wait(process, url, log):
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
            return
        time.sleep(0.5)
    raise AssertionError(f"Label Studio does not answer: {log.read_text()[-2000:]}")
