"""Files of labels that are links, as data sets that share a pool have them, and what a process
that was killed left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from labelvet.core.errors import InvalidParameter
from labelvet.core.files import write_whole


def test_what_a_link_leads_to_is_written(tmp_path):
    pool, link = tmp_path / "pool" / "a.txt", tmp_path / "a.txt"
    pool.parent.mkdir()
    pool.write_text("old")
    pool.chmod(0o640)
    link.symlink_to("pool/a.txt")
    write_whole({link: "new", tmp_path / "b.txt": "other"})
    assert link.is_symlink() and pool.read_text() == "new" and pool.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "b.txt").read_text() == "other"
    assert sorted(each.name for each in pool.parent.iterdir()) == ["a.txt"]


def test_two_texts_for_one_file_are_refused(tmp_path):
    links = [tmp_path / name for name in ("a.txt", "b.txt")]
    pool = tmp_path / "pool.txt"
    pool.write_text("old")
    for link in links:
        link.symlink_to(pool)
    with pytest.raises(InvalidParameter, match=r"lead to '.*pool\.txt', as '.*b\.txt'"):
        write_whole({links[0]: "one", links[1]: "another"})
    assert pool.read_text() == "old"
    write_whole(dict.fromkeys(links, "the same"))
    assert pool.read_text() == "the same"


def test_what_a_killed_process_leaves_is_used_up_by_the_next(tmp_path):
    killed = (
        "import os, pathlib, signal, sys; from labelvet.core.files import write_whole; "
        "pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
        "write_whole({pathlib.Path(sys.argv[1]): 'half'})"
    )
    file = tmp_path / "a.txt"
    file.write_text("old")
    ended = subprocess.run([sys.executable, "-c", killed, file], env=dict(os.environ))
    assert ended.returncode == -signal.SIGKILL and file.read_text() == "old"
    write_whole({file: "new"})
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]
