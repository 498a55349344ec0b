"""One key and many that write under it at once, or are killed while they do."""

import os
import subprocess
import sys
import textwrap
from threading import Barrier, Thread

import fiftyone as fo
import fiftyone.brain as fob
import fiftyone.core.odm as foo
import numpy as np
import pytest
from labelvet import compute_visualization
from labelvet.core.errors import BrainKeyInUse, InvalidParameter
from labelvet.dataset import saving_runs

VECTORS = np.random.default_rng(51).random((24, 5)).astype("f4")


def documents(dataset):
    """What the keys refer to, and all that is stored of the dataset's runs."""
    database = foo.get_db_conn()
    keys = database.datasets.find_one({"_id": dataset._doc.id})["brain_methods"]
    runs = {run["_id"]: run for run in database.runs.find({"_dataset_id": dataset._doc.id})}
    files = {file["_id"] for file in database.fs.files.find({"labelvet.dataset": dataset._doc.id})}
    return keys, runs, files


def compute(dataset, key, **options):
    return compute_visualization(
        dataset, "predictions", key, embeddings=VECTORS, method="pca", progress=False, **options
    )


def lance_tables(monkeypatch, folder):
    """Has LanceDB keep its tables in a folder; returns what lists them."""
    pytest.importorskip("lancedb", reason="pip install lancedb")
    monkeypatch.setitem(fob.brain_config.similarity_backends["lancedb"], "uri", str(folder / "db"))
    return lambda: {table.stem for table in (folder / "db").iterdir()}


@pytest.mark.parametrize("exists", [True, False])
def test_of_many_that_save_one_key_at_once_one_gets_it(judged, monkeypatch, exists):
    writers, wins, said = 6, [], []
    key = "ours" if exists else "new"
    together, give_key = Barrier(writers), saving_runs.give_key

    def wait(*args):
        together.wait(60)
        return give_key(*args)

    monkeypatch.setattr(saving_runs, "give_key", wait)

    def write():
        try:
            compute(judged, key, overwrite=exists)
            wins.append(1)
        except BrainKeyInUse as error:
            said.append(str(error))

    threads = [Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1 and len(said) == writers - 1
    assert all(
        "by another run in the meantime: nothing was written" in sentence for sentence in said
    )
    keys, runs, files = documents(judged)
    assert set(keys.values()) == set(runs)
    assert files <= {run["results"] for run in runs.values()}
    judged.reload()
    assert len(judged.load_brain_results(key).points) == 24


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sklearn", "lancedb"])
@pytest.mark.parametrize("exists", [True, False])
def test_of_two_that_save_one_index_at_once_one_gets_its_key(
    judged, monkeypatch, tmp_path, backend, exists
):
    tables = lance_tables(monkeypatch, tmp_path) if backend == "lancedb" else None

    def index(key, **options):
        compute(judged, key, similarity_key="index", similarity_backend=backend, **options)

    if exists:
        index("before")
    together, compute_similarity = Barrier(2), fob.compute_similarity

    def wait(*args, **options):
        begun = compute_similarity(*args, **options)
        together.wait(60)  # no other has seen yet what this one is going to write
        return begun

    monkeypatch.setattr(fob, "compute_similarity", wait)
    said = {}

    def write(key):
        try:
            index(key, overwrite_similarity=exists)
        except BrainKeyInUse as error:
            said[key] = str(error)

    threads = [Thread(target=write, args=(key,)) for key in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((loser, sentence),) = said.items()
    assert "'index' was taken or replaced by another run" in sentence
    assert f"'{loser}' was saved" in sentence
    keys, runs, files = documents(judged)
    assert set(keys) - {"before"} == {"ours", "theirs", "one", "two", "index"}
    assert set(keys.values()) == set(runs)
    assert {run["key"] for run in runs.values()} == set(keys)
    assert files <= {run["results"] for run in runs.values()}
    judged.reload()
    assert judged.load_brain_results("index", cache=False).total_index_size == 24
    if tables is not None:
        assert tables() == {runs[keys["index"]]["config"]["table_name"]}
    query = judged.first().predictions.detections[0].id
    nearest = judged.to_patches("predictions").sort_by_similarity(query, k=2, brain_key="index")
    assert nearest.first().id == query


@pytest.mark.parametrize("similarity", [True, False])
def test_a_key_that_was_free_and_is_taken_meanwhile_is_not_replaced(judged, similarity):
    def take(fraction, line):
        if line == "Saving" and "taken" not in judged.list_brain_runs():
            fob.compute_similarity(
                judged, patches_field="predictions", embeddings=False, brain_key="taken"
            )

    options = {"similarity_key": "taken"} if similarity else {}
    with pytest.raises(BrainKeyInUse, match="taken or replaced") as raised:
        compute_visualization(
            judged, "predictions", "free" if similarity else "taken", embeddings=VECTORS,
            method="pca", progress=take, **options,
        )  # fmt: skip
    assert ("'free' was saved" in str(raised.value)) == similarity
    judged.reload()
    assert "taken" in judged.list_brain_runs(type="similarity")
    keys, runs, _ = documents(judged)
    assert set(keys.values()) == set(runs)


def test_an_index_is_replaced_and_leaves_nothing(judged):
    for _ in range(2):
        compute(judged, "ours", overwrite=True, similarity_key="index", overwrite_similarity=True)
    judged.reload()
    assert set(judged.list_brain_runs()) == {"ours", "theirs", "index"}
    assert judged.load_brain_results("index").total_index_size == 24
    keys, runs, _ = documents(judged)
    assert set(keys.values()) == set(runs)
    assert {run["key"] for run in runs.values()} == set(keys)


def test_a_table_goes_with_the_last_run_that_has_it(judged, monkeypatch, tmp_path):
    tables = lance_tables(monkeypatch, tmp_path)

    def index(dataset, key):
        compute(
            dataset, key, similarity_key="index", similarity_backend="lancedb",
            overwrite_similarity=True,
        )  # fmt: skip

    index(judged, "one")
    (first,) = tables()
    clone = judged.clone()
    try:
        index(judged, "two")
        assert first in tables() and len(tables()) == 2
        assert clone.load_brain_results("index").total_index_size == 24
        index(clone, "two")
        assert first not in tables() and len(tables()) == 2
    finally:
        clone.delete()

    before, write_results = tables(), saving_runs._write_results

    def fail(document, results):
        if document.key == "index":
            raise RuntimeError("the database is away")
        write_results(document, results)

    monkeypatch.setattr(saving_runs, "_write_results", fail)
    with pytest.raises(InvalidParameter, match="is away"):
        index(judged, "three")
    assert tables() == before


@pytest.mark.processes
def test_what_was_killed_is_swept(judged):
    """SIGKILL before and after each step that writes a run, its index, or takes one away; the next
    run leaves nothing of all of them."""
    script = textwrap.dedent(
        """
        import os, signal, sys
        import fiftyone as fo
        import numpy as np
        from labelvet import compute_visualization
        from labelvet.dataset import saving_runs

        vectors = np.random.default_rng(51).random((24, 5))

        def compute():
            compute_visualization(
                fo.load_dataset(sys.argv[1]), "predictions", "ours", method="pca", overwrite=True,
                embeddings=vectors, similarity_key="index", overwrite_similarity=True,
                progress=False,
            )

        def killed(step, call, after):
            done, calls = getattr(saving_runs, step), []

            def die(*args, **kwargs):
                calls.append(args)
                if after or len(calls) < call:
                    result = done(*args, **kwargs)
                if len(calls) == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            setattr(saving_runs, step, die)
            compute()

        compute()
        for step in sys.argv[2:]:
            # the second time, of the index
            for call, after in ((1, False), (1, True), (2, False), (2, True)):
                if not (process := os.fork()):
                    killed(step, call, after)
                    os._exit(0)
                print(os.waitpid(process, 0)[1])
        """
    )
    steps = ("_begin_run", "_write_results", "give_key", "_sweep", "_delete_run")
    records = foo.get_db_conn()["labelvet_runs"].files
    ours = list(documents(judged)[1])
    of_others = [file["_id"] for file in records.find({"metadata.run": {"$nin": ours}})]
    command = [sys.executable, "-c", script, judged.name, *steps]
    # a process that computed with several threads hangs where it is forked and computes again
    alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    ended = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | alone, timeout=300
    )
    assert ended.stdout.split() == 20 * ["9"], ended.stderr
    assert len(fo.load_dataset(judged.name).load_brain_results("ours").points) == 24
    judged.reload()
    compute(judged, "ours", overwrite=True, similarity_key="index", overwrite_similarity=True)
    judged.reload()
    assert set(judged.list_brain_runs()) == {"ours", "theirs", "index"}
    keys, runs, files = documents(judged)
    assert set(keys.values()) == set(runs)
    assert files == {runs[keys[key]]["results"] for key in ("ours", "index")}
    left = {"metadata.run": {"$nin": list(runs)}, "_id": {"$nin": of_others}}
    assert records.count_documents(left) == 0


@pytest.mark.parametrize("step", ["_sweep", "_delete_run"])
def test_a_run_that_has_its_key_is_saved_whatever_fails_then(judged, monkeypatch, caplog, step):
    def fail(*_):
        raise RuntimeError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(saving_runs, step, fail)
        compute(judged, "ours", overwrite=True, similarity_key="index")
    assert "not tidied up" in caplog.text
    judged.reload()
    assert len(judged.load_brain_results("ours").points) == 24
    assert judged.load_brain_results("index").total_index_size == 24
    compute(judged, "other")
    keys, runs, files = documents(judged)
    assert set(keys.values()) == set(runs)
    assert len(files) == 3


def test_a_run_that_took_its_key_stays_where_the_answer_is_lost(judged, monkeypatch):
    give_key = saving_runs.give_key

    def lose(*args):
        give_key(*args)
        raise ConnectionError("the answer is lost")

    monkeypatch.setattr(saving_runs, "give_key", lose)
    with pytest.raises(ConnectionError):
        compute(judged, "ours", overwrite=True)
    judged.reload()
    assert len(judged.load_brain_results("ours").points) == 24
