"""One key and many that write under it at once, or are killed while they do."""

import os
import subprocess
import sys
import textwrap
from threading import Barrier, Thread

import fiftyone as fo
import fiftyone.core.odm as foo
import numpy as np
import pytest
from labelvet import compute_visualization
from labelvet.core.errors import BrainKeyInUse
from labelvet.dataset import brain_runs

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


@pytest.mark.parametrize("exists", [True, False])
def test_of_many_that_save_one_key_at_once_one_gets_it(judged, monkeypatch, exists):
    writers, wins, said = 6, [], []
    key = "ours" if exists else "new"
    together, give_key = Barrier(writers), brain_runs.give_key

    def wait(*args):
        together.wait(60)
        return give_key(*args)

    monkeypatch.setattr(brain_runs, "give_key", wait)

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


@pytest.mark.parametrize("similarity", [True, False])
def test_a_key_that_was_free_and_is_taken_meanwhile_is_not_replaced(judged, similarity):
    import fiftyone.brain as fob

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
    assert not [key for key in judged.list_brain_runs() if "being_built" in key]


def test_an_index_is_replaced_and_leaves_nothing(judged):
    for _ in range(2):
        compute(judged, "ours", overwrite=True, similarity_key="index", overwrite_similarity=True)
    judged.reload()
    assert set(judged.list_brain_runs()) == {"ours", "theirs", "index"}
    assert judged.load_brain_results("index").total_index_size == 24
    keys, runs, _ = documents(judged)
    assert set(keys.values()) == set(runs)
    assert {run["key"] for run in runs.values()} == set(keys)


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
        from labelvet.dataset import brain_runs

        vectors = np.random.default_rng(51).random((24, 5))

        def compute():
            compute_visualization(
                fo.load_dataset(sys.argv[1]), "predictions", "ours", method="pca", overwrite=True,
                embeddings=vectors, similarity_key="index", overwrite_similarity=True,
                progress=False,
            )

        def killed(step, after):
            done = getattr(brain_runs, step)

            def die(*args, **kwargs):
                if after:
                    done(*args, **kwargs)
                os.kill(os.getpid(), signal.SIGKILL)

            setattr(brain_runs, step, die)
            compute()

        compute()
        for step in sys.argv[2:]:
            for after in (False, True):
                if not (process := os.fork()):
                    killed(step, after)
                    os._exit(0)
                print(os.waitpid(process, 0)[1])
        """
    )
    steps = ("_write_run", "write_record", "give_key", "_sweep", "_delete_run", "swap_keys")
    records = foo.get_db_conn()["labelvet_runs"].files
    ours = list(documents(judged)[1])
    of_others = [file["_id"] for file in records.find({"metadata.run": {"$nin": ours}})]
    command = [sys.executable, "-c", script, judged.name, *steps, "_delete_built"]
    # a process that computed with several threads hangs where it is forked and computes again
    alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    ended = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | alone, timeout=300
    )
    assert ended.stdout.split() == 14 * ["9"], ended.stderr
    assert len(fo.load_dataset(judged.name).load_brain_results("ours").points) == 24
    judged.reload()
    compute(judged, "ours", overwrite=True, similarity_key="index", overwrite_similarity=True)
    judged.reload()
    assert set(judged.list_brain_runs()) == {"ours", "theirs", "index"}
    keys, runs, files = documents(judged)
    assert set(keys.values()) == set(runs)
    assert files == {runs[keys["ours"]]["results"]}
    left = {"metadata.run": {"$nin": list(runs)}, "_id": {"$nin": of_others}}
    assert records.count_documents(left) == 0


@pytest.mark.parametrize("step", ["_sweep", "_delete_run"])
def test_a_run_that_has_its_key_is_saved_whatever_fails_then(judged, monkeypatch, caplog, step):
    def fail(*_):
        raise RuntimeError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(brain_runs, step, fail)
        compute(judged, "ours", overwrite=True, similarity_key="index")
    assert "not tidied up" in caplog.text
    judged.reload()
    assert len(judged.load_brain_results("ours").points) == 24
    assert judged.load_brain_results("index").total_index_size == 24
    compute(judged, "other")
    keys, runs, files = documents(judged)
    assert set(keys.values()) == set(runs)
    assert len(files) == 2


def test_a_run_that_took_its_key_stays_where_the_answer_is_lost(judged, monkeypatch):
    give_key = brain_runs.give_key

    def lose(*args):
        give_key(*args)
        raise ConnectionError("the answer is lost")

    monkeypatch.setattr(brain_runs, "give_key", lose)
    with pytest.raises(ConnectionError):
        compute(judged, "ours", overwrite=True)
    judged.reload()
    assert len(judged.load_brain_results("ours").points) == 24
