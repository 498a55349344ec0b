"""The wheel is the plugin too: built, installed into an environment of its own, and used there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import venv
import zipfile
from pathlib import Path

import labelvet
import pytest
from labelvet.bench.wheel import build_wheel, install_wheel

# each test starts several processes with FiftyOne
pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A virtual environment with the wheel, and everything else as it is here."""
    folder = tmp_path_factory.mktemp("environment")
    install_wheel(wheel, folder)
    return folder


@pytest.fixture
def run(environment, tmp_path):
    """Runs a program of that environment, in an empty home."""
    (tmp_path / "home").mkdir()

    def call(program, *arguments, status=0, **variables):
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONPATH", "FIFTYONE_PLUGINS_DIR", "VIRTUAL_ENV")
            and name != "FIFTYONE_DEFAULT_DATASET_DIR"
        }
        result = subprocess.run(
            [environment / "bin" / program, *arguments],
            env={**kept, "HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert result.returncode == status, result.stdout + result.stderr
        assert "Traceback" not in result.stderr, result.stderr
        return result.stdout + result.stderr

    return call


def test_what_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        bundle = file.read("labelvet/dist/index.umd.js")
    for name in ("fiftyone.yml", "requirements.txt", "py.typed", "issues/kinds.json"):
        assert f"labelvet/{name}" in names
    assert bundle == (ROOT / "dist" / "index.umd.js").read_bytes()
    modules = {
        str(path.relative_to(ROOT))
        for path in ROOT.glob("[a-z]*/**/*.py")
        if not {"tests", "node_modules", "build", "importable", "scripts"}
        & set(path.relative_to(ROOT).parts)
    }
    assert {f"labelvet/{name}" for name in (*modules, "__init__.py", "__main__.py")} <= names
    assert not [name for name in names if re.search(r"\.tsx?$|/tests/|node_modules", name)]


def test_from_the_wheel_to_a_loaded_plugin(run, environment, tmp_path):
    link = tmp_path / "home" / "fiftyone" / "__plugins__" / "labelvet"
    assert "not in" in run("labelvet", "doctor", status=1)
    assert "Restart the App" in run("labelvet", "install")
    (package,) = environment.glob("lib/python*/site-packages/labelvet")
    assert link.resolve() == package
    run("labelvet", "install")  # once more is no fault
    assert run("labelvet", "--version").strip() == f"labelvet {labelvet.__version__}"
    said = run("labelvet", "doctor")
    assert f"loaded from '{link}'" in said and "Nothing to fix" in said
    listed = run("python", "-c", "import labelvet, fiftyone.operators as foo; "
                 "print(labelvet.__file__, *(o.uri for o in foo.list_operators()))")  # fmt: skip
    assert str(package / "__init__.py") in listed
    assert "@labelvet/labelvet/find_label_issues" in listed
    assert "Removed" in run("labelvet", "uninstall")
    assert not link.is_symlink() and package.exists()
    assert "There is no labelvet" in run("labelvet", "uninstall")


def test_installing_beside_another_one_is_refused(run, tmp_path):
    plugins = tmp_path / "plugins"
    (plugins / "@labelvet" / "labelvet").mkdir(parents=True)
    shutil.copy(ROOT / "fiftyone.yml", plugins / "@labelvet" / "labelvet")
    said = run("labelvet", "install", status=1, FIFTYONE_PLUGINS_DIR=str(plugins))
    assert "Another labelvet is in" in said and "with 'fiftyone plugins delete" in said
    (tmp_path / "in the way").touch()
    said = run("labelvet", "install", status=1, FIFTYONE_PLUGINS_DIR=str(tmp_path / "in the way"))
    assert "cannot be made" in said and "FIFTYONE_PLUGINS_DIR" in said


def test_the_folder_is_where_fiftyone_looks(monkeypatch, tmp_path):
    from labelvet.cli.install import plugins_folder

    monkeypatch.delenv("FIFTYONE_PLUGINS_DIR", raising=False)
    monkeypatch.delenv("FIFTYONE_DEFAULT_DATASET_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    config = tmp_path / "config.json"
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(config))
    assert plugins_folder() == tmp_path / "fiftyone" / "__plugins__"
    config.write_text('{"default_dataset_dir": "/d", "plugins_dir": null}')
    assert plugins_folder() == Path("/d/__plugins__")
    config.write_text('{"default_dataset_dir": "/d", "plugins_dir": "~/p"}')
    assert plugins_folder() == tmp_path / "p"
    monkeypatch.setenv("FIFTYONE_PLUGINS_DIR", "/q")
    assert plugins_folder() == Path("/q")


def test_a_downloaded_plugin_has_the_command(run, environment, wheel, tmp_path):
    """As ``fiftyone plugins download`` leaves it: files in the plugins folder, and no more."""
    plugins = tmp_path / "home" / "fiftyone" / "__plugins__"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "unpacked")
    downloaded = plugins / "@labelvet" / "labelvet"
    shutil.copytree(tmp_path / "unpacked" / "labelvet", downloaded)
    shutil.copytree(ROOT / "importable", downloaded / "importable")
    (packages,) = environment.glob("lib/python*/site-packages")
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for installed in packages.glob("labelvet*"):
        shutil.move(installed, hidden)
    shutil.move(environment / "bin" / "labelvet", hidden / "script")
    try:
        assert "No module named labelvet" in run("python", "-m", "labelvet", "cache", status=1)
        assert "embeddings" in run("python", downloaded, "cache")
        notice = run("python", downloaded, "doctor")
        assert f"{environment}/bin/python {downloaded} worker --name NAME" in notice
        assert "python -m labelvet" in run("python", downloaded, "install")
        assert "embeddings" in run("python", "-m", "labelvet", "cache")
        notice = run("python", "-m", "labelvet", "doctor")
        assert f"{environment}/bin/python -m labelvet worker --name NAME" in notice
        assert "is not a link" in run("python", "-m", "labelvet", "uninstall")
        assert "No module named labelvet" in run("python", "-m", "labelvet", "cache", status=1)
    finally:
        shutil.move(hidden / "script", environment / "bin" / "labelvet")
        for installed in hidden.iterdir():
            shutil.move(installed, packages)


def test_a_python_without_fiftyone_is_told_so(tmp_path):
    """As whoever runs a downloaded plugin's folder with another Python than FiftyOne's."""
    venv.create(tmp_path / "bare")

    def run(*arguments):
        result = subprocess.run(
            [tmp_path / "bare" / "bin" / "python", ROOT, *arguments],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in result.stderr, result.stderr
        return result.returncode, result.stdout + result.stderr

    status, said = run("doctor")
    assert status == 1 and "the Python that has it" in said and "pip install 'fiftyone" in said
    assert "the Python that has it" in run("install")[1]
    status, said = run("check", ROOT / "mkdocs.yml")
    assert status == 2 and "is not installed for" in said


def test_a_database_that_does_not_answer_is_told_with_its_mend(run):
    nowhere = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"
    said = run("labelvet", "doctor", status=1, FIFTYONE_DATABASE_URI=nowhere)
    assert re.search(rf"!!  database +{re.escape(nowhere)}: .*\n +Start it, or correct", said)


@pytest.mark.parametrize("version, refused", [("1.20.1", True), ("1.21.0", False), ("2.0", True)])
def test_a_fiftyone_that_is_not_supported_is_refused(version, refused, run, tmp_path):
    fake = tmp_path / "fake" / f"fiftyone-{version}.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fiftyone\nVersion: {version}\n")
    code = "import labelvet; print(labelvet.compute_visualization)"
    ask = ["python", "-c", f"try:\n exec('{code}')\nexcept ImportError as error: print(error)"]
    said = run(*ask, PYTHONPATH=str(fake.parent))
    assert ("does not run with FiftyOne" in said) == refused
    if refused:
        assert f"FiftyOne {version}: pip install" in said
        assert "does not run" in run("labelvet", "install", status=1, PYTHONPATH=str(fake.parent))
