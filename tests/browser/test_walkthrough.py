"""The guide, and the approval that it leads to, walked through by a real browser with a real
detector and a real worker: from images without labels to ground truth.

Its pictures are those of docs/walkthrough.md, where ``make walkthrough`` puts them.
"""

from __future__ import annotations

import io
import os
import re
import shutil

import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from labelvet import auto_label, compute_visualization
from labelvet.issues.find import find_label_issues
from PIL import Image
from running import wait_until

from .conftest import ARTIFACTS, choose_run, color_by, open_dataset, open_panel, wait_for_rest
from .test_audit import answered

NAME = "scenes"
FIELD, RUN, KEY, TAG, TRUTH = (
    "yolow_detections", "first_pass", "yolow_patches", "needs-review", "ground_truth",
)  # fmt: skip
LABELS, APPROVED_LABELS = f"{FIELD}.detections", f"{TRUTH}.detections"
NUM_SCENES = 48
DOCS = ARTIFACTS.parents[1] / "docs" / "images" / "walkthrough"


@pytest.fixture
def unlabeled(cut_outs, tmp_path):
    """Scenes without any label, and what is in each: ``(dataset, {filepath: Scene})``."""
    from labelvet.demo.scenes import compose_scene

    rng, scenes = np.random.default_rng(2026), {}
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number in range(NUM_SCENES):
        scene = compose_scene(cut_outs, rng)
        path = str(folder / f"{number:03d}.jpg")
        scene.image.save(path, quality=90)
        scenes[path] = scene
    dataset = fo.Dataset(NAME, persistent=True)
    dataset.add_samples([fo.Sample(path) for path in scenes])
    yield dataset, scenes
    dataset.delete()


@pytest.fixture
def worker(start_worker, empty_queue, detector_file, tmp_path):
    """A worker whose folder holds the detector as ``scenes.pt``."""
    shutil.copy(detector_file, tmp_path / "scenes.pt")
    environment = {"LABELVET_CACHE_DIR": str(tmp_path / "store")}
    return start_worker("workstation", env=environment, cwd=tmp_path)


@pytest.fixture
def picture(page):
    """Keeps a picture of the page: a small one of a page at rest for the docs, else at once."""
    for_docs = bool(os.environ.get("LABELVET_WALKTHROUGH"))
    folder = DOCS if for_docs else ARTIFACTS / "walkthrough"
    folder.mkdir(parents=True, exist_ok=True)

    def take(name):
        page.locator(".lv-count", has_text="asking").wait_for(state="detached")
        page.get_by_text("counting…").first.wait_for(state="detached")
        page.locator('[data-cy="looker"]').first.wait_for()
        if for_docs:
            page.wait_for_timeout(6000)  # images are drawn, and what slides in has arrived
        keep(page, name)

    def keep(shown, name):
        if not for_docs:
            shown.screenshot(path=folder / f"{name}.png")
            return
        with Image.open(io.BytesIO(shown.screenshot())) as shot:
            # without the refinement, the few pixels of a map's dots lose their colors
            small = shot.convert("RGB").quantize(112, kmeans=1, dither=Image.Dither.NONE)
            small.save(folder / f"{name}.png", optimize=True)

    def of_report(download, name):
        file = ARTIFACTS / "walkthrough-report.html"
        download.save_as(file)
        report = page.context.browser.new_page(viewport=page.viewport_size)
        report.goto(file.as_uri())
        report.get_by_text("How many labels are wrong").wait_for()
        keep(report, name)
        report.close()

    take.of_report = of_report
    yield take
    page.screenshot(path=ARTIFACTS / "walkthrough-last.png")


def cy(page, name: str):
    return page.locator(f'[data-cy="{name}"]')


def field(page, label: str):
    return page.get_by_text(label, exact=True).locator("xpath=following::input[1]")


def open_form(page, operator: str) -> None:
    """Browse operations > the operator."""
    page.keyboard.press("Backquote")
    page.get_by_placeholder("Search operations by name...").fill(operator)
    page.get_by_text(operator, exact=True).last.click()


def schedule(page, worker: str) -> None:
    """The arrow beside Execute > the worker > Schedule."""
    page.get_by_role("button", name="Execute").locator("xpath=following::button[1]").click()
    page.get_by_text(f"Schedule on {worker}").click()
    page.get_by_role("button", name=re.compile("Schedule")).first.click()


def wait_for_run(page, label: str):
    """Waits in *Runs* until a run has completed, and returns its row."""
    row = page.locator(".lv-run", has_text=label)
    row.wait_for()
    page.wait_for_function(
        """label => [...document.querySelectorAll('.lv-run')].some((row) =>
             row.innerText.includes(label)
             && !['queued', 'running'].includes(row.dataset.state))""",
        arg=label,
        timeout=240_000,
    )
    assert row.get_attribute("data-state") == "completed", row.inner_text()
    return row


def replace_panel(page, old: str, title: str, new: str) -> None:
    """Closes a panel, once it is there, and opens another beside the grid."""
    tab = page.get_by_text(title, exact=True)
    tab.first.wait_for()

    def close() -> bool:
        page.evaluate("name => window.__foo__.executeOperator('close_panel', {name})", old)
        page.wait_for_timeout(500)
        return tab.count() == 0

    wait_until(close)
    open_panel(page, new)


def wait_for_count(page, text: str) -> None:
    page.locator(".lv-count", has_text=text).wait_for()


def number(page, what: str) -> int:
    """A number that the panel shows under its map."""
    match = re.search(rf"([\d,]+) {what}", page.locator(".lv-count").inner_text())
    return int(match[1].replace(",", "")) if match else 0


def wait_for_said(page, text: str) -> None:
    page.locator(".lv-status", has_text=text).wait_for()


def wait_for_grid(page, text: str) -> None:
    page.locator('[data-cy="entry-counts"]', has_text=re.compile(f"^{text}$")).wait_for()


def values_by_id(samples, ids: str, values: str) -> dict[str, float]:
    """``{id: value}`` of labels, by the paths of what tells them apart and of the values."""
    return dict(zip(*samples.values([ids, values], unwind=True), strict=True))


def confidences(samples, ids: str, labels: str) -> dict[str, float]:
    """``{id: confidence}`` of labels, by the path of what tells them apart."""
    return values_by_id(samples, ids, f"{labels}.confidence")


def doubtful_cluster(dataset: fo.Dataset) -> np.ndarray:
    """Where the labels around one another have the lowest confidence: (n, 2) points of the map."""
    results = dataset.load_brain_results(KEY)
    confidence = confidences(dataset, f"{LABELS}.id", LABELS)
    values = np.array([confidence[id_] for id_ in results.label_ids])
    distances = np.linalg.norm(results.points[:, None] - results.points[None], axis=2)
    nearest = np.argsort(distances, axis=1)[:, :15]
    return results.points[nearest[values[nearest].mean(axis=1).argmin()]].astype(float)


def lasso(page, dataset: fo.Dataset, points: np.ndarray) -> None:
    """Drags around points of the map, as it is when it shows all of them."""
    box = page.locator(".lv-map").bounding_box()
    everything = dataset.load_brain_results(KEY).points.astype(float)
    least, most = everything.min(axis=0), everything.max(axis=0)
    size, center = most - least, (most + least) / 2
    # the map's own margin around what it shows
    scale = 1.08 * max(size[1], size[0] * box["height"] / box["width"]) / box["height"]
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = np.linalg.norm(points - middle, axis=1).max() / scale + 6
    x = box["x"] + box["width"] / 2 + (middle[0] - center[0]) / scale
    y = box["y"] + box["height"] / 2 - (middle[1] - center[1]) / scale
    circle = np.exp(1j * np.linspace(0, 2 * np.pi, 25)) * radius + complex(x, y)
    page.mouse.move(x + float(radius), y)
    page.mouse.down()
    for place in circle.tolist():
        page.mouse.move(place.real, place.imag, steps=2)
    page.mouse.up()


def precision(dataset: fo.Dataset, labels: str, scenes: dict) -> float:
    """The part of the boxes that hit an object of their class by an IoU of a half."""
    from labelvet.demo.scenes import overlap

    right = total = 0
    columns = dataset.values(["filepath", f"{labels}.label", f"{labels}.bounding_box"])
    for path, names, boxes in zip(*columns, strict=True):
        scene = scenes[path]
        for name, box in zip(names or (), boxes or (), strict=True):
            same = scene.boxes[[label == name for label in scene.labels]]
            right += bool(len(same) and overlap(np.array(box), same).max() >= 0.5)
            total += 1
    return right / total


def test_from_images_to_ground_truth(app, page, unlabeled, worker, picture):
    dataset, scenes = unlabeled
    page.set_viewport_size({"width": 1200, "height": 720})
    address = app(NAME)
    open_dataset(page, address)

    # Browse operations > Auto label, scheduled on the worker
    open_form(page, "Auto label")
    field(page, "Model").fill("scenes.pt")
    field(page, "Minimum confidence").fill("0.1")
    field(page, "Label field").fill(FIELD)
    field(page, "Run name").fill(RUN)
    page.get_by_text(f"{NUM_SCENES} images will be labeled").wait_for()
    page.get_by_text("Run name", exact=True).click()
    picture("01-auto-label")
    schedule(page, "workstation")
    open_panel(page, "labelvet_runs")
    row = wait_for_run(page, f"Auto label: {RUN}")
    assert f"labels of '{RUN}' in '{FIELD}', in {NUM_SCENES} images" in row.inner_text()
    dataset.reload()
    found = dataset.count(LABELS)
    assert found > 100 and dataset.distinct(f"{LABELS}.auto_label_run") == [RUN]

    # Compute visualization, scheduled and watched in Runs
    open_dataset(page, address)
    open_form(page, "Compute visualization")
    page.get_by_text(f"{NUM_SCENES} images will be embedded").wait_for()
    field(page, "Brain key").fill(KEY)
    page.wait_for_timeout(1500)  # the form asks Python what it thinks of the key
    page.get_by_text("Patches field", exact=True).locator(
        "xpath=following::*[@role='combobox'][1]"
    ).click()
    page.get_by_role("option", name=FIELD).click()
    page.get_by_text(f"{found:,} patches in {NUM_SCENES} images will be embedded").wait_for()
    picture("02-compute-visualization")
    schedule(page, "workstation")
    open_panel(page, "labelvet_runs")
    wait_for_run(page, f"Compute visualization: {KEY}")
    picture("03-runs")

    # New panel > Label embeddings, colored by confidence
    open_dataset(page, address)
    replace_panel(page, "labelvet_runs", "Runs", "label_embeddings")
    choose_run(page, KEY, found)
    color_by(page, FIELD, "confidence")
    page.locator(".lv-ramp").wait_for()
    picture("04-colored-by-confidence")

    # lasso the cluster of the lowest confidence, and tag it
    dataset.reload()
    lasso(page, dataset, doubtful_cluster(dataset))
    page.locator(".lv-tile img").first.wait_for()
    doubtful = number(page, "selected")
    assert 5 <= doubtful < found / 2
    picture("05-low-confidence-lassoed")
    page.keyboard.press("t")
    wait_for_said(page, "was added")
    assert dataset.count_label_tags(FIELD) == {TAG: doubtful}
    page.keyboard.press("Escape")
    wait_for_grid(page, f"{NUM_SCENES} samples")

    # by label, and class and confidence combined: what is doubtful of one class is tagged too
    color_by(page, FIELD, "label")
    page.locator(".lv-legend").wait_for()
    picture("06-colored-by-label")
    counts = dataset.count_values(f"{LABELS}.label")
    name = max(counts, key=counts.get)
    page.locator(".lv-legend li button", has_text=name).dblclick()
    wait_for_count(page, f"{counts[name]:,} in view")
    most = page.locator(".lv-range input").last
    most.focus()
    for _ in range(150):  # of the 200 steps of the slider
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("a")
    page.locator(".lv-count", has_text="selected").wait_for()
    wait_for_rest(page)
    unsure = number(page, "selected")
    assert 0 < unsure < counts[name] and unsure == number(page, "in view")
    picture("07-class-and-confidence")
    page.locator(".lv-status").get_by_role("button", name="Close").click()
    page.keyboard.press("t")
    wait_for_said(page, "was added")
    flagged = set(dataset.match_labels(tags=TAG, fields=FIELD).filter_labels(
        FIELD, F("tags").contains(TAG)).values(f"{LABELS}.id", unwind=True))  # fmt: skip
    assert max(doubtful, unsure) <= len(flagged) <= doubtful + unsure

    # the tag is a saved view
    page.keyboard.press("s")
    wait_for_said(page, "The saved view")
    page.keyboard.press("Escape")
    open_dataset(page, address)
    page.get_by_text("Unsaved view", exact=True).first.click()
    page.locator('[data-cy$="-selection-option"]', has_text=TAG).click()
    flagged_images = len(dataset.match_labels(tags=TAG, fields=FIELD))
    wait_for_grid(page, f"{flagged_images} samples?")
    picture("08-saved-view")

    # what is flagged is excluded, and the rest reviewed in Auto Labeling
    cy(page, "btn-clear-view-bar").click()
    wait_for_grid(page, f"{NUM_SCENES} samples")
    choose_run(page, KEY, found)
    page.get_by_role("button", name="Exclude tagged").click()
    page.get_by_role("menuitem", name="Labels").click()
    wait_for_said(page, "are hidden")
    wait_for_count(page, f"{found - len(flagged):,} in view")
    picture("09-flagged-excluded")
    replace_panel(page, "label_embeddings", "Label embeddings", "auto_labeling")
    cy(page, f"auto-labeling-run-{RUN}").click()
    page.locator('[data-cy="loop-line"]', has_text=f"{len(flagged):,} flagged").wait_for()
    at_least = page.get_by_label("Confidence of the labels to review, at least")
    at_least.focus()
    for _ in range(50):
        page.keyboard.press("ArrowRight")
    rest = dataset.filter_labels(FIELD, ~F("tags").contains(TAG))
    sure = rest.filter_labels(FIELD, F("confidence") >= 0.5)
    expected = confidences(sure, f"{LABELS}.id", LABELS)
    adding = f"Add {len(expected):,} labels for approval"
    page.locator('[data-cy="add"]', has_text=adding).wait_for()
    picture("10-review")
    cy(page, "add").click()
    wait_for_said(page, "added for approval")
    cy(page, "grid-basket").click()
    wait_for_grid(page, f"{len(expected):,} patches")
    picture("11-for-approval")

    # approve: the basket becomes ground truth
    cy(page, "approve-into").fill(TRUTH)
    cy(page, "approve").click()
    wait_for_said(page, f"{len(expected):,} labels approved into '{TRUTH}'")
    cy(page, "grid-approved").click()
    wait_for_grid(page, f"{len(expected):,} patches")
    picture("12-approved")

    # finalize: what was not approved leaves
    cy(page, "finalize").click()
    page.get_by_role("alertdialog", name=f"Remove {found - len(expected):,}").wait_for()
    picture("13-finalize")
    cy(page, "confirm").click()
    wait_for_said(page, f"{found - len(expected):,} label")
    cy(page, "finish").click()
    cy(page, "confirm").click()
    wait_for_said(page, "Finished")
    picture("14-finished")

    # the dataset's truth
    dataset.reload()
    attributes = ("approved_from", "approved_run", "approved_model", "approved_by", "approved_at")
    columns = dataset.values([f"{APPROVED_LABELS}.{name}" for name in attributes], unwind=True)
    assert set(columns[0]) == set(expected) and len(columns[0]) == len(expected)
    assert not set(columns[0]) & flagged
    assert set(columns[1]) == {RUN} and set(columns[2]) == {"scenes.pt"}
    assert all(columns[3]) and all(columns[4])
    assert confidences(dataset, f"{APPROVED_LABELS}.approved_from", APPROVED_LABELS) == expected
    assert set(dataset.values(f"{LABELS}.id", unwind=True)) == set(expected)
    assert len(dataset) == NUM_SCENES and dataset.has_brain_run(KEY)
    assert dataset.list_saved_views() == [TAG]
    # and that of the scenes: what was approved is more often right than what was found
    assert precision(dataset, APPROVED_LABELS, scenes) > 0.6


def some_objects(scene) -> fo.Detections:
    """Three of four objects of a scene, as they are."""
    objects = list(zip(scene.labels, scene.boxes.tolist(), strict=True))
    return fo.Detections(
        detections=[
            fo.Detection(label=label, bounding_box=box)
            for number, (label, box) in enumerate(objects)
            if number % 4 != 3
        ]
    )


@pytest.fixture
def judged_scenes(unlabeled, detector_file, tmp_path, monkeypatch):
    """The scenes with labels, a map and label issues, for which a careful person was asked who has
    labeled three of four objects; the review begins with a bad box and a wrong class."""
    dataset, scenes = unlabeled
    dataset.set_values(
        "by_hand", [some_objects(scenes[path]) for path in dataset.values("filepath")]
    )
    shutil.copy(detector_file, tmp_path / "scenes.pt")
    monkeypatch.chdir(tmp_path)
    auto_label(dataset, "scenes.pt", FIELD, RUN, confidence=0.1, progress=False)
    compute_visualization(dataset, FIELD, KEY, seed=51, progress=False)
    find_label_issues(dataset, KEY, second_fields=["by_hand"])
    dataset.reload()
    for issue, suggestion in (("misplaced", "suggested_box"), ("mislabeled", "suggested_labels")):
        doubted = dataset.filter_labels(FIELD, (F("issue") == issue) & F(suggestion).exists())
        scores = values_by_id(doubted, f"{LABELS}.id", f"{LABELS}.{issue}")
        dataset.select_labels(ids=max(scores, key=scores.get)).tag_labels(TAG, FIELD)
    return dataset


def answer_more(page, answers: int) -> None:
    """Answers more of a random sample, as a reviewer would who agrees with the scores."""
    before = answered(page)
    for number in range(before, before + answers):
        # a label that is not accepted, and may show an object without one, has no such number
        told = re.search(r"(\d+)% likely wrong", page.locator(".lv-chips").inner_text())
        page.keyboard.press("n" if told and int(told[1]) >= 50 else "y")
        page.locator(".lv-review header", has_text=f"{number + 1} answered").wait_for()


def test_the_review_and_the_proof(app, page, judged_scenes, picture):
    dataset, found = judged_scenes, judged_scenes.count(LABELS)
    page.set_viewport_size({"width": 1200, "height": 900})
    address = app(NAME)
    open_dataset(page, address)
    open_panel(page, "label_embeddings")
    choose_run(page, KEY, found)
    page.keyboard.press("q")
    kinds = set()
    for _ in range(2):
        kind = page.locator(".lv-chips b[data-issue]").first
        kinds.add(issue := kind.get_attribute("data-issue"))
        page.locator(".lv-review-crop img").wait_for()
        page.locator(".lv-beside img").first.wait_for()
        picture({"misplaced": "15-bad-box", "mislabeled": "16-wrong-class"}[issue])
        page.keyboard.press("b" if issue == "misplaced" else "w")
        wait_for_said(page, "has a new box" if issue == "misplaced" else "is now")
    assert kinds == {"misplaced", "mislabeled"}

    # how many labels are wrong?
    page.keyboard.press("a")
    page.get_by_role("heading", name="Audit").wait_for()
    page.locator(".lv-expected", has_text="Audit of").wait_for()
    answer_more(page, 25)
    page.locator(".lv-expected", has_text="after 25 answers").wait_for()
    page.locator(".lv-review-crop img").wait_for()
    picture("17-audit")

    # a target for the basket: said, answered, proven, approved
    replace_panel(page, "label_embeddings", "Label embeddings", "auto_labeling")
    cy(page, f"auto-labeling-run-{RUN}").click()
    page.locator('input[data-cy="target"]').fill("80")
    cy(page, "target-begin").click()
    cy(page, "target-says").wait_for()
    picture("18-target")
    cy(page, "target-answer").click()
    page.get_by_role("heading", name="Audit").wait_for()
    page.set_viewport_size({"width": 1600, "height": 900})  # for two panels
    said = page.locator(".lv-expected")
    page.locator(".lv-review header", has_text="answered").wait_for()
    for _ in range(12):
        answer_more(page, 10)
        page.wait_for_timeout(1000)
        if said.inner_text().startswith("Proven"):
            break
    cy(page, "target-fill").wait_for()
    picture("19-proven")
    cy(page, "target-fill").click()
    wait_for_said(page, "At least 80% of these")
    cy(page, "grid-basket").click()
    cy(page, "approve-into").fill(TRUTH)
    picture("20-proven-basket")
    cy(page, "approve").click()
    wait_for_said(page, f"approved into '{TRUTH}'")
    dataset.reload()
    proofs = dataset.distinct(f"{APPROVED_LABELS}.approved_proof")
    assert len(proofs) == 1 and proofs[0].startswith("At least 80% of these")

    # its proof is read with its round; the report goes to somebody without FiftyOne
    cy(page, "grid-approved").click()
    rounds = cy(page, "rounds")
    rounds.locator("summary").click()
    rounds.get_by_text("At least 80% of these").wait_for()
    picture("21-round")
    open_form(page, "Label report")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Execute").click()
    picture.of_report(saved.value, "22-report")
    page.get_by_role("button", name="Close", exact=True).click()

    # a round can be taken back
    rounds.get_by_role("button", name="Undo").click()
    wait_for_said(page, f"went back from '{TRUTH}' into the basket")
    assert dataset.count(APPROVED_LABELS) == 0
