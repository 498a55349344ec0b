"""The guide's section "Analyze Patch Embeddings", clicked through in *Label embeddings*."""

from __future__ import annotations

import re

import fiftyone as fo
import pytest
from fiftyone import ViewField as F
from labelvet import compute_visualization
from PIL import Image

from .conftest import (
    answers_late,
    choose_run,
    color_by,
    new_page,
    open_dataset,
    open_panel,
    switch_dataset,
    wait_for_rest,
)

FIELD = "predictions"
KEY = "judged_patches"
TAG = "needs-review"


@pytest.fixture
def mapped(coco128):
    """``coco128`` with a map of its predictions; what a test adds is taken away after it."""
    compute_visualization(coco128, FIELD, KEY, seed=51, progress=False, overwrite=True)
    yield coco128
    coco128.reload()
    coco128.untag_labels(TAG, label_fields=FIELD)
    for name in coco128.list_saved_views():
        coco128.delete_saved_view(name)
    if coco128.has_brain_run(KEY):
        coco128.delete_brain_run(KEY)


@pytest.fixture
def noise(page):
    """What the page complains of, beside what the App itself does."""
    said: list[str] = []
    # the App's own grid says so when its samples are replaced while it lays them out
    page.on(
        "pageerror", lambda error: "entry is loading" not in str(error) and said.append(str(error))
    )
    page.on(
        "console",
        lambda message: (
            message.type == "error"
            and "Failed to load resource" not in message.text
            and said.append(message.text)
        ),
    )
    return said


def count(page, what: str) -> int:
    """A number that the panel shows under its map."""
    text = page.locator(".lv-count").inner_text()
    match = re.search(rf"([\d,]+) {what}", text)
    return int(match[1].replace(",", "")) if match else 0


def grid_count(page) -> str:
    return page.locator('[data-cy="entry-counts"]').inner_text()


def wait_for_count(page, text: str) -> None:
    """Waits until the panel says so, and not of what it counts before the database has answered."""
    said = re.compile(rf"\b{re.escape(text)}(?!.* asking)")
    page.locator(".lv-count", has_text=said).wait_for()


def wait_for_grid(page, text: str) -> None:
    page.locator('[data-cy="entry-counts"]', has_text=re.compile(rf"^{text}$")).wait_for()


def drag(page, *corners: tuple[float, float]) -> None:
    """Drags over the map; corners are parts of its width and height."""
    box = page.locator(".lv-map").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def drop(page, name, content: bytes) -> None:
    """Drops a file on the map."""
    files = page.evaluate_handle(
        "([name, bytes]) => { const files = new DataTransfer(); files.items.add(new File("
        "[new Uint8Array(bytes)], name)); return files; }",
        [name.name, list(content)],
    )
    page.locator(".lv-map").dispatch_event("drop", {"dataTransfer": files})


def open_map(page, address: str, points: int = 628) -> None:
    open_list(page, address)
    choose_run(page, KEY, points)


def open_list(page, address: str) -> None:
    open_dataset(page, address)
    page.locator('[data-cy="new-panel-btn"]').first.click()
    page.locator('[data-cy="new-panel-option-label_embeddings"]').click()


def test_analyze_patch_embeddings(app, page, mapped, screenshot, noise):
    points = mapped.count(f"{FIELD}.detections")
    classes = mapped.count_values(f"{FIELD}.detections.label")
    common = max(classes, key=classes.get)
    open_map(page, app(mapped.name), points)
    page.locator(".lv-legend", has_text=common).wait_for()
    screenshot("label-embeddings-by-label")

    # Color by > confidence, lasso a cluster, see it in the grid
    color_by(page, FIELD, "confidence")
    page.locator(".lv-ramp").wait_for()
    drag(page, (0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.35))
    page.locator(".lv-tile img").first.wait_for()
    lassoed = count(page, "selected")
    assert 0 < lassoed < points
    screenshot("label-embeddings-by-confidence-lassoed")

    # one key tags what is selected, another takes it back
    page.keyboard.press("t")
    page.locator(".lv-status", has_text=f"{lassoed:,}").wait_for()
    mapped.reload()
    assert mapped.count_label_tags(FIELD) == {TAG: lassoed}
    flagged_images = len(mapped.match_labels(tags=TAG, fields=FIELD))
    wait_for_grid(page, f"{flagged_images} samples")
    page.locator(".lv-bars", has_text=TAG).wait_for()
    screenshot("label-embeddings-tagged")
    page.keyboard.press("z")
    page.locator(".lv-status", has_text="no longer").wait_for()
    assert mapped.count_label_tags(FIELD) == {}
    page.keyboard.press("t")
    page.locator(".lv-status", has_text="was added").wait_for()

    # the saved view is a query: it follows what is tagged later
    page.keyboard.press("s")
    page.locator(".lv-status", has_text="The saved view").wait_for()
    mapped.reload()
    assert TAG in mapped.list_saved_views()
    assert mapped.load_saved_view(TAG).count(f"{FIELD}.detections") == lassoed
    page.keyboard.press("Escape")
    wait_for_grid(page, f"{len(mapped)} samples")

    # class and confidence combined, in the panel and in the sidebar alike
    color_by(page, FIELD, "label")
    page.locator(".lv-legend li button", has_text=common).first.dblclick()
    alike = mapped.filter_labels(FIELD, {"$eq": ["$$this.label", common]})
    wait_for_count(page, f"{alike.count(f'{FIELD}.detections')} in view")
    wait_for_grid(page, f"{len(alike)} samples")
    least = page.locator(".lv-range input").first
    least.focus()
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    wait_for_rest(page)
    at_least = {"$gte": ["$$this.confidence", float(least.input_value())]}
    sure = alike.filter_labels(FIELD, at_least).count(f"{FIELD}.detections")
    assert 0 < sure < alike.count(f"{FIELD}.detections")
    wait_for_count(page, f"{sure:,} in view")
    page.keyboard.press("a")
    wait_for_count(page, f"{sure:,} selected")
    screenshot("label-embeddings-class-and-confidence")
    page.keyboard.press("Escape")
    page.locator('[data-cy="btn-clear-view-bar"]').click()

    # what is flagged leaves, at the level of labels and of images
    page.get_by_role("button", name="Exclude tagged").click()
    page.get_by_role("menuitem", name="Labels").click()
    page.locator(".lv-status", has_text="are hidden").wait_for()
    screenshot("label-embeddings-excluded")
    assert noise == []


@pytest.fixture
def named_colors(mapped):
    """Classes have colors that the dataset's color scheme gives by their CSS names."""
    given = [{"value": "person", "color": "tomato"}, {"value": "dog", "color": "rebeccapurple"}]
    scheme = fo.ColorScheme(fields=[{"path": FIELD, "valueColors": given}])
    mapped.app_config.color_scheme = scheme
    mapped.save()
    yield {"person": "rgb(255, 99, 71)", "dog": "rgb(102, 51, 153)"}
    mapped.app_config.color_scheme = None
    mapped.save()


def test_sidebar_and_panel_reflect_each_other(app, page, mapped, named_colors, noise):
    open_map(page, app(mapped.name))
    for name, color in named_colors.items():
        swatch = page.locator(".lv-legend li", has=page.get_by_text(name, exact=True)).locator("i")
        swatch.wait_for()
        assert swatch.evaluate("one => one.style.background") == color
    # hidden in the legend: the sidebar says so
    page.locator(".lv-legend li button", has_text="person").click()
    others = mapped.filter_labels(FIELD, {"$ne": ["$$this.label", "person"]})
    wait_for_count(page, f"{others.count(f'{FIELD}.detections')} in view")
    page.locator('[data-cy="sidebar-field-arrow-enabled-predictions"]').click()
    page.locator('[data-cy="sidebar-column"]', has_text="person").wait_for()
    page.locator('[data-cy="sidebar-column"]', has_text="Exclude detections with").wait_for()
    # shown again by the sidebar: the legend says so
    in_sidebar = page.locator(f'[data-cy="categorical-filter-{FIELD}.detections.label"]')
    in_sidebar.get_by_text("Reset").click()
    page.locator(".lv-count", has_text=re.compile("^628 points$")).wait_for()
    assert page.locator('.lv-legend [aria-pressed="false"]').count() == 0
    # a view restricts the map, and an empty one says so
    page.evaluate(
        "window.__foo__.executeOperator('set_view', {view: [{_cls: 'fiftyone.core.stages.Limit', "
        "kwargs: [['limit', 10]]}]})"
    )
    in_view = mapped.limit(10).count(f"{FIELD}.detections")
    wait_for_count(page, f"{in_view} in view")
    assert noise == []


def test_patches_view_3d_and_whole_images(app, page, mapped, screenshot, noise):
    compute_visualization(mapped, FIELD, f"{KEY}_3d", seed=51, num_dims=3, progress=False)
    compute_visualization(mapped, None, f"{KEY}_images", method="pca", seed=51, progress=False)
    try:
        open_map(page, app(mapped.name))
        page.get_by_placeholder("Select brain key").click()
        page.get_by_role("option", name=f"{KEY}_3d").click()
        page.get_by_role("button", name="Turn the map").click()
        drag(page, (0.4, 0.5), (0.6, 0.6))
        page.keyboard.press("b")
        drag(page, (0.35, 0.35), (0.65, 0.65))
        page.locator(".lv-count", has_text="selected").wait_for()
        screenshot("label-embeddings-3d")
        page.keyboard.press("Escape")

        page.get_by_placeholder("Select brain key").click()
        page.get_by_role("option", name=f"{KEY}_images").click()
        wait_for_count(page, "128 points")
        page.keyboard.press("b")
        drag(page, (0.1, 0.1), (0.5, 0.5))
        page.locator(".lv-count", has_text="selected").wait_for()
        wait_for_grid(page, f"{count(page, 'selected')} samples?")
        page.keyboard.press("Escape")

        # the grid shows patches when patches are on
        page.evaluate(
            "window.__foo__.executeOperator('set_view', {view: [{_cls: "
            "'fiftyone.core.stages.ToPatches', kwargs: [['field', 'predictions'], "
            "['_state', null]]}]})"
        )
        wait_for_grid(page, "628 patches")
        page.get_by_placeholder("Select brain key").click()
        page.get_by_role("option", name=re.compile(f"^{KEY}(?!_)")).click()
        wait_for_count(page, "628 points")
        page.keyboard.press("b")
        drag(page, (0.3, 0.3), (0.6, 0.6))
        page.locator(".lv-count", has_text="selected").wait_for()
        selected = count(page, "selected")
        wait_for_grid(page, f"{selected} patches")
        page.keyboard.press("t")
        page.locator(".lv-status", has_text="was added").wait_for()
        assert mapped.count_label_tags(FIELD) == {TAG: selected}
        screenshot("label-embeddings-patches")
        assert noise == []
    finally:
        mapped.delete_brain_runs()


def test_a_run_deleted_or_replaced_while_it_is_open(app, page, mapped, noise):
    address = app(mapped.name)
    open_map(page, address)
    compute_visualization(mapped, FIELD, KEY, method="pca", progress=False, overwrite=True)
    page.keyboard.press("a")
    page.keyboard.press("t")
    # the panel opens the new run and tags nothing by the old one's rows
    page.locator(".lv-count", has_text=re.compile("^628 points$")).wait_for()
    assert mapped.count_label_tags(FIELD) == {}
    mapped.delete_brain_run(KEY)
    page.keyboard.press("a")
    page.keyboard.press("t")
    page.get_by_text(f"There is no visualization run '{KEY}'").first.wait_for()
    page.get_by_role("button", name="All runs").click()
    page.get_by_text("No embeddings yet").wait_for()
    assert noise == []


def test_confused_classes_are_shown_and_two_names_of_one_merged(
    app, page, mapped, screenshot, noise
):
    before = mapped.count_values(f"{FIELD}.detections.label")
    for sample in mapped[:64].iter_samples(autosave=True):
        for label in sample[FIELD].detections:
            if label.label == "person":
                label.label = "Persons"
    renamed = mapped.count_values(f"{FIELD}.detections.label")["Persons"]
    open_map(page, app(mapped.name))
    page.locator(".lv-legend", has_text="Persons").wait_for()
    page.locator(".lv-page").focus()
    page.keyboard.press("j")

    # a pair's labels are one click away
    pair = page.locator(".lv-confused li").first
    alike = int(pair.locator("b").inner_text().partition(" of")[0])
    pair.locator("button").click()
    wait_for_count(page, f"{alike} selected")
    page.locator(".lv-tile img").first.wait_for()
    screenshot("label-embeddings-confused")

    # merging asks first, and can be undone
    merge = page.locator(".lv-similar", has_text="Persons").get_by_role("button", name="Merge")
    merge.click()
    page.get_by_role("alertdialog").get_by_text("Persons").wait_for()
    screenshot("label-embeddings-merge")
    page.get_by_role("button", name="Cancel").click()
    merge.click()
    page.locator('[data-cy="confirm"]').click()
    page.locator(".lv-status", has_text="are now").wait_for()
    page.locator(".lv-similar", has_text="Persons").wait_for(state="detached")
    assert len(mapped.distinct(f"{FIELD}.detections.label")) == len(before)
    page.locator(".lv-page").focus()
    page.keyboard.press("z")
    page.locator(".lv-status", has_text="again").wait_for()
    assert mapped.count_values(f"{FIELD}.detections.label")["Persons"] == renamed
    merge.click()
    page.locator('[data-cy="confirm"]').click()
    page.locator(".lv-status", has_text="are now").wait_for()
    for sample in mapped.iter_samples(autosave=True):  # the more frequent of the two stayed
        for label in sample[FIELD].detections:
            if label.label == "Persons":
                label.label = "person"
    assert mapped.count_values(f"{FIELD}.detections.label") == before
    assert noise == []


def test_hover_clusters_similar_density_and_keys(app, page, mapped, screenshot, noise, tmp_path):
    open_map(page, app(mapped.name))
    page.locator(".lv-legend", has_text="person").wait_for()
    # a picture of the patch under the pointer
    box = page.locator(".lv-map").bounding_box()
    for step in range(200):
        across, down = step % 20 / 20, 0.3 + step // 20 / 25
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        page.wait_for_timeout(40)
        if page.locator(".lv-hover").count():
            page.wait_for_timeout(300)  # it may be that of the step before
            if page.locator(".lv-hover").count():
                break
    page.locator(".lv-hover img").wait_for()
    screenshot("label-embeddings-hover")
    page.mouse.move(5, 5)

    # clusters by their strangers, more like them
    page.locator(".lv-page").focus()
    page.keyboard.press("c")
    page.locator(".lv-clusters li", has_text="differ").first.wait_for()
    page.keyboard.press("n")
    page.locator(".lv-tile img").first.wait_for()
    strangers = count(page, "selected")
    assert strangers > 0
    page.keyboard.press("m")
    page.wait_for_function(
        "n => !document.querySelector('.lv-count').innerText.includes(` ${n} selected`)",
        arg=strangers,
    )
    assert count(page, "selected") > strangers
    screenshot("label-embeddings-clusters")
    # a click on a bar narrows the selection to one class
    bar = page.locator(".lv-summary .lv-bars li").first
    members = int(bar.locator("b").inner_text().replace(",", ""))
    bar.locator("button").click()
    wait_for_count(page, f"{members} selected")
    page.locator(".lv-page").focus()
    for _ in range(3):
        page.keyboard.press("z")
    page.locator(".lv-drawer").wait_for(state="detached")
    page.keyboard.press("d")
    page.keyboard.press("?")
    page.get_by_text("Tag the selection").wait_for()
    screenshot("label-embeddings-density-and-keys")
    page.keyboard.press("?")
    page.keyboard.press("i")
    wait_for_count(page, "628 selected")
    page.keyboard.press("Escape")

    # an image selects what looks like it, the nearest first; words none that this backbone knows
    sample = mapped.match_labels(filter=F("label") == "zebra", fields=FIELD).first()
    label = next(one for one in sample[FIELD].detections if one.label == "zebra")
    with Image.open(sample.filepath) as image:
        (x, y, w, h), (width, height) = label.bounding_box, image.size
        crop = image.crop((x * width, y * height, (x + w) * width, (y + h) * height))
        crop.save(tmp_path / "crop.png")
    assert page.get_by_label("Search by words").count() == 0
    page.get_by_label("Search", exact=True).locator("input[type=file]").set_input_files(
        tmp_path / "crop.png"
    )
    wait_for_count(page, "50 selected")
    page.locator(".lv-tile", has_text="zebra").first.wait_for()
    assert "zebra" in page.locator(".lv-tile").first.inner_text()
    screenshot("label-embeddings-found-by-an-image")
    # what is no image changes nothing, and what comes late does not replace a newer selection
    drop(page, tmp_path / "crop.png", b"no image")
    page.locator(".lv-status", has_text="it is no JPEG, PNG").wait_for()
    assert count(page, "selected") == 50
    late = answers_late(page, "similar_to_image")
    with page.expect_request(lambda asked: '"similar_to_image"' in (asked.post_data or "")):
        drop(page, tmp_path / "crop.png", (tmp_path / "crop.png").read_bytes())
    page.locator(".lv-page").focus()
    page.keyboard.press("a")
    while not late:
        page.wait_for_timeout(100)
    page.wait_for_timeout(1000)
    assert count(page, "selected") == 628
    page.unroute("**/operators/**")
    page.keyboard.press("Escape")

    # a crop opens its image
    page.keyboard.press("c")
    page.keyboard.press("l")
    drag(page, (0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.35))
    page.locator(".lv-tile").first.click()
    page.locator('[data-cy="modal"]').wait_for()
    screenshot("label-embeddings-modal")
    assert noise == []


def test_two_tabs_an_empty_view_and_another_dataset(app, page, mapped, make_dataset, noise):
    address = app(mapped.name)
    open_map(page, address)
    other = new_page(page.context.browser)
    open_dataset(other, address)  # the panel is open there too
    choose_run(other, KEY, 628)
    for tab in (page, other):
        tab.locator(".lv-page").focus()
    page.keyboard.press("a")
    page.keyboard.press("t")
    page.locator(".lv-status", has_text="628").wait_for()
    # the other tab knows nothing of it, and does no harm
    other.keyboard.press("a")
    other.keyboard.press("t")
    other.locator(".lv-status", has_text="Nothing changed").wait_for()
    page.keyboard.press("z")
    page.locator(".lv-status", has_text="no longer").wait_for()
    assert mapped.count_label_tags(FIELD) == {}
    other.close()

    page.evaluate(
        "window.__foo__.executeOperator('set_view', {view: [{_cls: 'fiftyone.core.stages.Match', "
        "kwargs: [['filter', {filepath: 'none'}]]}]})"
    )
    page.get_by_text("leave none of this run's labels").wait_for()

    unmapped = make_dataset()
    unmapped.persistent = True
    unmapped.add_sample(fo.Sample(mapped.first().filepath))
    page.goto(address.replace(mapped.name, unmapped.name))
    page.locator('[data-cy="new-panel-btn"]').first.click()
    page.locator('[data-cy="new-panel-option-label_embeddings"]').click()
    page.get_by_text("No embeddings yet").wait_for()
    page.get_by_role("button", name="Compute visualization").first.wait_for()
    assert noise == []


def test_a_run_without_results_says_so(app, page, mapped, noise):
    from fiftyone.core.odm import get_db_conn

    query = {"key": KEY, "_dataset_id": mapped._doc.id}
    get_db_conn().runs.update_one(query, {"$unset": {"results": 1}})
    open_list(page, app(mapped.name))
    card = page.locator(".lv-runs button", has=page.get_by_text(KEY, exact=True))
    card.get_by_text("It has no results").wait_for()
    assert card.is_disabled()
    assert noise == []


@pytest.mark.parametrize(
    ("method", "meanwhile"), [("list_runs", "Looking for runs"), ("open_run", f"Opening {KEY}")]
)
def test_a_dataset_that_is_switched_while_a_run_loads(
    app, page, mapped, make_dataset, noise, method, meanwhile
):
    other = make_dataset()
    other.persistent = True
    other.add_sample(fo.Sample(mapped.first().filepath))
    answers = answers_late(page, method)
    open_list(page, app(mapped.name))
    page.get_by_text(meanwhile).wait_for()  # the only run, so the panel opens it
    switch_dataset(page, other.name)
    wait_for_grid(page, "1 samples?")
    while not answers:  # what was asked for the first dataset
        page.wait_for_timeout(100)
    page.wait_for_timeout(1000)
    assert page.locator(".lv-page").count() == 0
    if page.get_by_text("No embeddings yet").count() == 0:
        open_panel(page, "label_embeddings")  # the App closes it with the dataset
    page.get_by_text("No embeddings yet").wait_for()
    assert noise == []
