"""What a panel takes from the browser, and a page and a server of different versions."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from labelvet.core.errors import InvalidParameter, OtherVersion
from labelvet.core.packed import FORMAT_VERSION, pack, unpack_rows
from labelvet.panels import PANELS, typescript
from labelvet.panels.auto_labeling.messages import SelectionRequest
from labelvet.panels.contracts import CONTRACTS
from labelvet.panels.label_embeddings import LabelEmbeddings
from labelvet.panels.label_embeddings.messages import (
    AnswerRequest,
    CropsRequest,
    RowsRequest,
    TagRequest,
)
from panel_app import PanelApp

ABOUT = {"key": "a", "run": "b"}
ANSWER = {"id": "0" * 24, "sampleId": "0" * 24, "verdict": "right"}


CROPS, TAG = ABOUT | {"rows": [1]}, ABOUT | {"rows": "", "tag": "a"}


@pytest.mark.parametrize(
    "kind, params, sentence",
    [
        (CropsRequest, {"run": "b", "rows": [1]}, "'key' is missing."),
        (CropsRequest, CROPS | {"size": 4}, "'size' should be greater than or equal to 32."),
        (CropsRequest, CROPS | {"size": "64"}, "'size' should be a valid integer."),
        (CropsRequest, CROPS | {"rows": [1, True]}, "'rows.1' should be a valid integer."),
        (CropsRequest, CROPS | {"margin": float("nan")}, "'margin' should be a finite number."),
        (
            CropsRequest,
            CROPS | {"rows": [1] * 101},
            "'rows' should have at most 100 items, not 101.",
        ),
        (
            TagRequest,
            TAG | {"tag": " "},
            "A tag is a short text of at most 100 characters: for example 'needs-review'.",
        ),
        (TagRequest, TAG | {"target": "all"}, "'target' should be 'labels' or 'samples'."),
        (
            AnswerRequest,
            ABOUT | {"answers": [ANSWER | {"sampleId": "x"}]},
            "An id has 24 hexadecimal digits.",
        ),
        (SelectionRequest, {"field": "a\0"}, "Text must not contain null characters."),
    ],
)
def test_what_is_not_valid_is_named_in_a_sentence(kind, params, sentence):
    with pytest.raises(InvalidParameter) as refused:
        kind.parse(params)
    assert str(refused.value) == sentence


def test_classes_of_any_name_are_taken():
    given = AnswerRequest.parse(ABOUT | {"answers": [ANSWER | {"seen": "", "label": "x" * 600}]})
    assert (given.answers[0].seen, len(given.answers[0].label)) == ("", 600)
    assert SelectionRequest.parse({"field": "a", "classes": ["", None]}).classes == ["", None]


def test_a_set_of_rows_comes_as_bits_or_numbers():
    rows = np.array([0, 7, 8, 999])
    mask = np.isin(np.arange(1000), rows)
    assert unpack_rows(pack(mask, "rows"), 1000).tolist() == rows.tolist()
    assert unpack_rows(pack(rows, "u4"), 1000).tolist() == rows.tolist()
    assert unpack_rows(pack(np.empty(0), "u4"), 24).tolist() == []


@pytest.mark.parametrize("at, byte", [(0, 0), (4, FORMAT_VERSION + 1)])
def test_a_set_of_rows_of_another_version_says_so(at, byte):
    data = bytearray(base64.b64decode(pack(np.ones(24, bool), "rows")))
    data[at] = byte
    with pytest.raises(OtherVersion, match="reload the page"):
        unpack_rows(base64.b64encode(data).decode(), 24)


def test_a_script_gives_bits_alone_and_no_version(judged):
    mask = np.zeros(24, bool)
    mask[[0, 5, 23]] = True
    bits = base64.b64encode(np.packbits(mask, bitorder="little")).decode()
    rows = RowsRequest.parse({"key": "k", "run": "r", "rows": {"bits": bits}}).rows
    assert unpack_rows(rows, 24).tolist() == [0, 5, 23]
    for given, n in ((rows, 32), (bits, 24)):
        with pytest.raises(InvalidParameter, match="must be a selection"):
            unpack_rows(given, n)

    class Script(PanelApp):
        panel = LabelEmbeddings
        says_version = False

    assert "error" not in Script(judged)("list_runs")


def test_what_nobody_expected_is_one_sentence_and_in_the_log(judged, monkeypatch, caplog):
    class App(PanelApp):
        panel = LabelEmbeddings

    def list_maps(dataset):
        raise KeyError("number 5")

    monkeypatch.setattr("labelvet.panels.label_embeddings.panel.list_maps", list_maps)
    answer = App(judged)("list_runs")
    assert answer == {
        "error": "Something went wrong (KeyError). The App server's log has the details.",
        "stale": False,
    }
    assert "list_runs" in caplog.text and "number 5" in caplog.text


@pytest.mark.parametrize("contract", [None, "0" * 16, 1, {"$ne": 1}])
def test_a_page_of_another_version_is_told_to_reload(judged, contract):
    class App(PanelApp):
        panel = LabelEmbeddings

    answer = App(judged)("list_runs", contract=contract)
    assert answer["stale"] is False and "reload the page" in answer["error"]


@pytest.mark.parametrize("panel", PANELS)
def test_the_page_is_told_the_version_of_the_server(panel):
    view = panel().render(None).to_json()["view"]
    assert view["contract"] == CONTRACTS[panel.component]


def test_the_types_of_the_web_half_are_what_the_messages_say(tmp_path, monkeypatch, capsys):
    assert typescript.main(["--check"]) == 0
    # so that the check can fail: another word, another limit, another field
    monkeypatch.setattr(typescript, "FORMAT_VERSION", FORMAT_VERSION + 1)
    assert typescript.main(["--check"]) == 1
    assert "run 'make types'" in capsys.readouterr().err


def test_both_halves_pack_the_same_version():
    source = Path(typescript.__file__).with_name("app") / "binary.ts"
    assert int(re.search(r"VERSION = (\d+)", source.read_text())[1]) == FORMAT_VERSION
