"""The plugin loads, and workers can import its engine, wherever its folder lies."""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# none of them is needed before a run starts, and each takes seconds
HEAVY = {"torch", "torchvision", "ultralytics", "openvino", "ray", "umap", "pynndescent", "numba"}

# What FiftyOne loads, and what a spawned process makes of the engine's functions and objects.
REPORT = """
import inspect, json, multiprocessing, sys
sys.path += sys.argv[1:]
from concurrent.futures import ProcessPoolExecutor

if __name__ == "__main__":
    import fiftyone.operators as foo
    import fiftyone.plugins as fop

    operators = [o.uri for o in foo.list_operators() if "labelvet" in o.uri]
    loaded = sorted(sys.modules)
    import labelvet
    from labelvet.embeddings.projection import make_method

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as worker:
        there = worker.submit(inspect.getsourcefile, make_method).result()
        same = worker.submit(make_method, "pca").result() == make_method("pca")
    print(json.dumps([operators, labelvet.__file__, there, same, loaded]))
"""


def load(plugins: Path, tmp_path: Path, flags=(), paths=()):
    script = tmp_path / "report.py"
    script.write_text(REPORT)
    result = subprocess.run(
        [sys.executable, *flags, str(script), *paths],
        env={**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("how", ["checkout", "copy"])
@pytest.mark.processes
def test_loads_from_any_folder_without_being_installed(how, tmp_path):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    if how == "checkout":
        root = ROOT
        (plugins / "some-checkout").symlink_to(ROOT)
    else:
        root = plugins / "labelvet-labelvet-main"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "tests", "node_modules")
        shutil.copytree(ROOT, root, ignore=ignored)
    # -S hides the editable installation, which a .pth file makes importable
    operators, here, there, same, loaded = load(plugins, tmp_path, ["-S"], site.getsitepackages())
    assert "@labelvet/labelvet/compute_visualization" in operators
    assert "labelvet.panels.label_embeddings.panel" in loaded
    assert HEAVY.isdisjoint(loaded)
    assert Path(here).resolve() == root / "__init__.py"
    assert Path(there).resolve() == root / "embeddings" / "projection.py"
    assert same


@pytest.mark.processes
def test_installed_editable(tmp_path):
    (tmp_path / "none").mkdir()
    operators, here, there, same, _ = load(tmp_path / "none", tmp_path)
    assert operators == []
    assert Path(here).resolve() == ROOT / "__init__.py"
    assert Path(there).resolve() == ROOT / "embeddings" / "projection.py"
    assert same


@pytest.mark.processes
def test_without_either_nothing_is_importable(tmp_path):
    """So that the tests above can fail."""
    (tmp_path / "none").mkdir()
    with pytest.raises(AssertionError, match="No module named 'labelvet'"):
        load(tmp_path / "none", tmp_path, ["-S"], site.getsitepackages())


def test_a_second_copy_is_named(tmp_path, caplog):
    import importlib.util

    import labelvet

    copy = tmp_path / "another"
    copy.mkdir()
    shutil.copy(ROOT / "__init__.py", copy)
    spec = importlib.util.spec_from_file_location("some_plugin", copy / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module._make_importable()
    assert "already loaded from" in caplog.text and str(copy) in caplog.text
    assert Path(labelvet.__file__).resolve() == ROOT / "__init__.py"


@pytest.mark.processes
def test_importing_labelvet_loads_no_torch():
    code = "import sys, labelvet; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_files_agree_on_name_version_and_requirements():
    import labelvet
    import yaml

    plugin = yaml.safe_load((ROOT / "fiftyone.yml").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert plugin["name"] == "@labelvet/labelvet"
    # the one place is __init__.py, which pyproject.toml reads; FiftyOne reads no Python here
    assert 'version = { attr = "labelvet.__version__" }' in project
    assert plugin["version"] == labelvet.__version__
    assert f'"fiftyone{plugin["fiftyone"]["version"]}"' in project
    listed = re.search(r"^dependencies = \[(.*?)^\]", project, re.S | re.M).group(1)
    needed = {line.strip(' ",') for line in listed.strip().splitlines()}
    required = set((ROOT / "requirements.txt").read_text().split())
    # FiftyOne itself is there already where FiftyOne installs a plugin's requirements
    assert required == {name for name in needed if not name.startswith("fiftyone")}


@pytest.fixture(scope="module")
def linted(tmp_path_factory):
    """A copy of this package that keeps the rules, and what runs import-linter there."""
    copy = tmp_path_factory.mktemp("linted") / "labelvet"
    ignored = shutil.ignore_patterns(
        ".*", "__pycache__", "node_modules", "importable", "*.egg-info"
    )
    shutil.copytree(ROOT, copy, ignore=ignored)

    def lint():
        return subprocess.run(
            [shutil.which("lint-imports", path=str(Path(sys.executable).parent)), "--no-cache"],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy.parent)},
            capture_output=True,
            text=True,
        )

    assert lint().returncode == 0
    return copy, lint


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("embeddings/crops.py", "from ..operators import compute_visualization"),
        ("embeddings/projection.py", "import fiftyone"),
        ("issues/classes.py", "from ..dataset import patches"),
        ("issues/attributes.py", "from ..embeddings import embedder"),
        ("review/learning.py", "from ..dataset import tags"),
        ("panels/runs/panel.py", "from ..label_embeddings import open_map"),
        ("room.py", "from .core import table"),
    ],
)
@pytest.mark.processes
def test_the_rules_of_imports_can_be_broken(file, line, linted):
    """import-linter objects as soon as one module imports what is above it, beside it or too heavy
    for it, or stands in no room."""
    copy, lint = linted
    with open(copy / file, "a") as module:
        module.write(f"\n{line}\n")
    broken = lint()
    (copy / file).unlink()
    if (ROOT / file).exists():
        shutil.copy(ROOT / file, copy / file)
    assert broken.returncode == 1 and "BROKEN" in broken.stdout


FORMS = """
import sys
import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators.executor import ExecutionContext

dataset = fo.load_dataset(sys.argv[1])
for operator in foo.list_operators(builtin=False, type="operator"):
    if operator.uri.startswith("@labelvet/labelvet/"):
        operator.resolve_input(ExecutionContext({"dataset_name": dataset.name, "params": {}}))
        print(operator.name)
print(*sorted(sys.modules))
"""


@pytest.mark.processes
def test_a_form_loads_nothing_heavy(judged, tmp_path):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "labelvet").symlink_to(ROOT)
    result = subprocess.run(
        [sys.executable, "-c", FORMS, judged.name],
        env={**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    *forms, loaded = result.stdout.splitlines()
    assert {"compute_visualization", "auto_label", "update_visualization"} <= set(forms)
    assert HEAVY.isdisjoint(loaded.split())


def test_the_matrix_is_what_is_promised():
    from labelvet.core.versions import FIFTYONE
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    matrix = (ROOT / "scripts" / "matrix").read_text()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    pythons = re.search(r"PYTHONS:-(.*)}", matrix)[1].split()
    fiftyones = re.search(r"FIFTYONES:-(.*)}", matrix)[1].split()
    assert f"fiftyone{FIFTYONE}" in (ROOT / "pyproject.toml").read_text()
    assert all(SpecifierSet(FIFTYONE).contains(each) for each in fiftyones)
    # the oldest promised, and the one of the constraints
    assert SpecifierSet(FIFTYONE.partition(",")[0].replace(">=", "==") + ".*").contains(
        fiftyones[0]
    )
    assert f"fiftyone=={fiftyones[-1]}" in (ROOT / "constraints.txt").read_text()
    for found in re.findall(r"^        python: \[(.*)\]", workflow, re.M):
        assert [each.strip(' "') for each in found.split(",")] == pythons
    (found,) = re.findall(r"^        fiftyone: \[(.*)\]", workflow, re.M)
    assert [each.strip(' "') for each in found.split(",")] == fiftyones
    # on each promised Python every package has one version
    for python in pythons:
        seen = {}
        for line in (ROOT / "constraints.txt").read_text().splitlines():
            if line.startswith("#"):
                continue
            pin = Requirement(line)
            here = {"python_version": python, "python_full_version": f"{python}.0"}
            if pin.marker is None or pin.marker.evaluate(here):
                assert pin.name not in seen, (python, pin.name)
                seen[pin.name] = pin.specifier
        assert {"numpy", "fiftyone", "torch"} <= seen.keys()
