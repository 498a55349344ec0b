"""The examples of docstrings and docs run as they stand."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from pathlib import Path

import fiftyone as fo
import fiftyone.operators as foo
import labelvet
import pytest

ROOT = Path(__file__).resolve().parents[2]
# these download a model where there is none
DETECTOR = '"yolov8s-world.pt"'


def examples():
    for file in sorted(ROOT.glob("[a-z]*/**/*.py")):
        folder = file.relative_to(ROOT).parts[0]
        if folder not in ("tests", "importable") and "node_modules" not in file.parts:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                    found = re.search(
                        r"Example::\n\n((?: .*\n|\n)+)", ast.get_docstring(node) or ""
                    )
                    if found:
                        yield file, textwrap.dedent(found[1])
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for _, code in re.findall(r"^( *)```python\n(.*?)^\1```", file.read_text(), re.S | re.M):
            yield file, inspect.cleandoc(code)


EXAMPLES = [
    pytest.param(code, id=f"{file.relative_to(ROOT)}-{number}")
    for number, (file, code) in enumerate(examples())
]


@pytest.mark.parametrize("code", [e for e in EXAMPLES if DETECTOR not in e.values[0]])
def test_example(judged, code):
    run(judged, code)


@pytest.mark.parametrize("code", [e for e in EXAMPLES if DETECTOR in e.values[0]])
def test_example_with_a_detector(judged, code, detector_file):
    code = code.replace(DETECTOR, repr(detector_file))
    run(judged, code.replace('["car", "traffic sign"]', '["apple"]'))


def test_there_are_examples_in_both():
    assert len(EXAMPLES) > 10


def run(judged, code):
    if fo.dataset_exists("my-dataset"):
        fo.delete_dataset("my-dataset")
    dataset = judged.clone("my-dataset")
    try:
        if "auto_label(" not in code:
            dataset.clone_sample_field("predictions", "yolow_detections")
        if "update_visualization(" in code:
            labelvet.compute_visualization(
                dataset, "predictions", "yolow_patches", method="pca", progress=False
            )
        names = {"fo": fo, "foo": foo, "labelvet": labelvet, "dataset": dataset}
        exec(compile(code, "<example>", "exec"), {**names, "view": dataset.view()})
    finally:
        dataset.delete()
