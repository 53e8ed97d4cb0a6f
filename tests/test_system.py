"""What differs between operating systems does its work on this one."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gptool import _jpeg, system

TRY_LOCK = """
import os, sys
from gptool import system
file = os.open(sys.argv[1], system.LOCK)
print(system.try_lock(file), os.read(file, 100).decode())
"""


def test_lock_is_that_of_one_process_and_its_file_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    file = os.open(path, system.LOCK)
    assert system.try_lock(file)
    os.write(file, b"owner")

    def other() -> str:
        command = [sys.executable, "-P", "-c", TRY_LOCK, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert other().split() == ["False", "owner"]
    os.close(file)
    assert other().split() == ["True", "owner"]


def test_replace_and_rename_move_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    system.replace(tmp_path / "a", tmp_path / "b")
    system.rename(tmp_path / "b", tmp_path / "c")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"c": "a"}


@pytest.mark.parametrize("move", [system.rename, system.replace])
def test_missing_file_is_an_error_at_once(tmp_path: Path, move: object) -> None:
    with pytest.raises(FileNotFoundError):
        move(tmp_path / "nowhere", tmp_path / "x")  # type: ignore[operator]


@pytest.mark.skipif(not system.IS_WINDOWS, reason="other systems replace open files")
def test_open_file_is_named_as_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "RETRY_SECONDS", 0.1)
    (tmp_path / "new").write_text("new")
    with (tmp_path / "old").open("w"), pytest.raises(PermissionError, match="open in another program"):
        system.replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "new").read_text() == "new"


def test_files_and_folders_are_flushed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    system.flush(tmp_path / "file")
    system.flush(tmp_path)
    with pytest.raises(OSError, match="nowhere"):
        system.flush(tmp_path / "nowhere")


def test_folder_is_removed_with_its_content(tmp_path: Path) -> None:
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "sub" / "file").write_text("text")
    system.remove_folder(tmp_path / "folder")
    system.remove_folder(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_library_of_a_function_is_found() -> None:
    library = ctypes.PyDLL(_jpeg.__file__)
    assert system.library_path(library.PyInit__jpeg) == Path(_jpeg.__file__).resolve()


def test_share_of_windows_is_recognised() -> None:
    for path in (r"\\server\share\x.tpkx", r"C:\x.tpkx", "C:/x.tpkx"):
        assert (system.foreign_path(path) is None) == system.IS_WINDOWS
    assert system.foreign_path("share/x:y.tpkx") is None
    for url in ("s3://bucket/x.tpkx", Path("file:///x.tpkx")):
        assert system.foreign_path(url) == ("is a URL, not a path", "the path of a file or folder")


ARENAS = """
import ctypes, re, sys, threading
from gptool import system

library = ctypes.CDLL(None)
library.malloc.restype, library.fopen.restype = ctypes.c_void_p, ctypes.c_void_p
if sys.argv[2] == "limited":
    system.limit_arenas()
together = threading.Barrier(12)

def allocate():
    together.wait()
    library.malloc(ctypes.c_size_t(1000))
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = ctypes.c_void_p(library.fopen(sys.argv[1].encode(), b"w"))
library.malloc_info(0, file)
library.fclose(file)
print(len(re.findall("<heap ", open(sys.argv[1]).read())))
"""


@pytest.mark.skipif(not hasattr(ctypes.pythonapi, "malloc_info"), reason="the C library is not glibc")
@pytest.mark.parametrize(("how", "most"), [("as by default", 100), ("limited", 2)])
def test_arenas_of_memory_are_limited(tmp_path: Path, how: str, most: int) -> None:
    command = [sys.executable, "-P", "-c", ARENAS, str(tmp_path / "arenas.xml"), how]
    arenas = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert arenas <= most
    assert how == "limited" or arenas > 2
