"""Sizes, contents and words of many files, read without the GIL."""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptool._files import file_sizes, read_files, read_words

property_test = settings(derandomize=True, database=None, deadline=None, max_examples=60)

WINDOW_SIZE = 4096
"""Bytes that read_words reads at a time."""

NOISE = np.random.default_rng(7).bytes(5 * WINDOW_SIZE + 3)


def encode_paths(paths: list[Path]) -> list[bytes]:
    return [os.fsencode(path) for path in paths]


def uint32(*sizes: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.array(sizes, np.uint32)


def uint64(*offsets: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(offsets, np.uint64)


def make_three_files(folder: Path) -> list[Path]:
    """Create files of 3, 0 and 10 bytes."""
    paths = [folder / name for name in ("a", "b", "c")]
    for path, data in zip(paths, (b"abc", b"", b"0123456789"), strict=True):
        path.write_bytes(data)
    return paths


# ---- whole files ----


@property_test
@given(contents=st.lists(st.binary(max_size=300), max_size=12))
@example(contents=[b"", NOISE * 50, b"", b"x", b""])
def test_sizes_and_contents_of_files(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    paths = [tmp_path_factory.getbasetemp() / f"file{i}" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    sizes, failure = file_sizes(encode_paths(paths))
    assert (sizes.tolist(), sizes.dtype, failure) == ([path.stat().st_size for path in paths], np.int64, 0)
    data, done, failure = read_files(encode_paths(paths), sizes.astype(np.uint32))
    assert (data.tobytes(), data.dtype) == (b"".join(path.read_bytes() for path in paths), np.uint8)
    assert (done, failure) == (len(paths), 0)


def test_no_files() -> None:
    sizes, failure = file_sizes([])
    assert (sizes.tolist(), failure) == ([], 0)
    data, done, failure = read_files([], uint32())
    assert (data.tolist(), done, failure) == ([], 0, 0)


def test_files_may_come_in_any_order_and_repeat(tmp_path: Path) -> None:
    a, b, c = make_three_files(tmp_path)
    data, done, failure = read_files(encode_paths([c, a, b, c]), uint32(10, 3, 0, 10))
    assert (data.tobytes(), done, failure) == (b"0123456789abc0123456789", 4, 0)


def test_size_above_4_gib(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate((1 << 32) + 5)
    assert file_sizes(encode_paths([tmp_path / "sparse"]))[0].tolist() == [(1 << 32) + 5]


def test_path_of_more_than_260_characters(tmp_path: Path) -> None:
    """Windows itself takes it only with a prefix, which the module adds."""
    folder = tmp_path.joinpath(*4 * ["x" * 80])
    prefix = "\\\\?\\" if sys.platform == "win32" else ""
    os.makedirs(prefix + str(folder))  # noqa: PTH103 - a Path would lose the prefix
    Path(prefix + str(folder / "a")).write_bytes(b"abc")
    for path in (str(folder / "a"), (folder / "a").as_posix()):
        assert file_sizes([os.fsencode(path)])[0].tolist() == [3]
        assert read_files([os.fsencode(path)], uint32(3))[0].tobytes() == b"abc"


MakePath = Callable[[Path], Path]


def make_symlink_to_itself(folder: Path) -> Path:
    path = folder / "loop"
    path.symlink_to(path)
    return path


UNREADABLE: dict[str, tuple[MakePath, int]] = {
    "missing": (lambda folder: folder / "none", errno.ENOENT),
    "path below a file": (lambda folder: folder / "a" / "x", errno.ENOTDIR),
    "name too long": (lambda folder: folder / ("x" * 300), errno.ENAMETOOLONG),
    "link to itself": (make_symlink_to_itself, errno.ELOOP),
}


@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.posix("error numbers of POSIX")
def test_unreadable_file_stops_the_call(tmp_path: Path, name: str, place: int) -> None:
    make_path, number = UNREADABLE[name]
    paths = make_three_files(tmp_path)
    paths.insert(place, make_path(tmp_path))
    sizes, failure = file_sizes(encode_paths(paths))
    assert (sizes.tolist(), failure) == ([3, 0, 10][:place], number)
    expected = [3, 0, 10]
    expected.insert(place, 1)
    data, done, failure = read_files(encode_paths(paths), uint32(*expected))
    assert (done, failure) == (place, number)
    assert data.tobytes()[: sum(expected[:place])] == b"abc0123456789"[: sum(expected[:place])]


@pytest.mark.posix("pipes and symbolic links among files")
def test_size_of_other_than_regular_files_is_minus_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    paths = [*make_three_files(tmp_path), *(tmp_path / name for name in ("folder", "pipe", "link"))]
    sizes, failure = file_sizes(encode_paths([*paths, Path("/dev/null")]))
    assert (sizes.tolist(), failure) == ([3, 0, 10, -1, -1, 3, -1], 0)


@pytest.mark.posix("error numbers of POSIX")
def test_folder_is_not_read(tmp_path: Path) -> None:
    paths = [*make_three_files(tmp_path), tmp_path]
    assert read_files(encode_paths(paths), uint32(3, 0, 10, 4))[1:] == (3, errno.EISDIR)


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.posix("pipes and symbolic links among files")
def test_pipe_does_not_block(tmp_path: Path, size: int) -> None:
    os.mkfifo(tmp_path / "pipe")
    done, failure = read_files(encode_paths([tmp_path / "pipe"]), uint32(size))[1:]
    assert (done, failure) == (1 - size, 0)  # without a writer a pipe is at its end


@pytest.mark.parametrize("change", [-10, -1, 1, 9000])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_file_with_another_size_stops_the_call(tmp_path: Path, place: int, change: int) -> None:
    paths = [tmp_path / str(i) for i in range(3)]
    for path in paths:
        path.write_bytes(NOISE[:10])
    paths[place].write_bytes(NOISE[: 10 + change])
    data, done, failure = read_files(encode_paths(paths), uint32(10, 10, 10))
    assert (len(data), done, failure) == (30, place, 0)
    assert data[: 10 * place].tobytes() == NOISE[:10] * place


def test_invalid_arguments_are_rejected(tmp_path: Path) -> None:
    paths = encode_paths(make_three_files(tmp_path))
    for path in (b"\0", b"a\0", paths[0] + b"\0.jpg"):
        with pytest.raises(ValueError, match="path contains a NUL byte; found b"):
            file_sizes([paths[0], path])
        with pytest.raises(ValueError, match="path contains a NUL byte; found b"):
            read_files([paths[0], path], uint32(3, 3))
    for sizes in (uint32(), uint32(3, 0), uint32(3, 0, 10, 0)):
        with pytest.raises(ValueError, match=f"paths and sizes: lengths differ; found 3 and {len(sizes)} entries"):
            read_files(paths, sizes)
    with pytest.raises(TypeError):
        file_sizes([paths[0], "text"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="Buffer dtype mismatch"):
        read_files(paths, np.array([3, 0, 10]))


# ---- words ----

near_window_edges = st.builds(
    lambda window, more: max(window * WINDOW_SIZE + more, 0), st.integers(0, 5), st.integers(-8, 8)
)
anywhere = st.integers(0, len(NOISE) + 20) | near_window_edges


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "noise"
    path.write_bytes(NOISE)
    return path


def read_words_of(path: Path, start: int, offsets: list[int]) -> tuple[list[int], int]:
    with path.open("rb") as file:
        words, done = read_words(file.fileno(), start, uint64(*offsets))
        assert (len(words), words.dtype) == (len(offsets), np.uint32)
        assert file.tell() == 0 or sys.platform == "win32"  # there a read at an offset moves the position
    return words[:done].tolist(), done


@settings(property_test, max_examples=400)
@given(start=st.integers(0, 2 * WINDOW_SIZE), offsets=st.lists(anywhere, max_size=30), ascending=st.booleans())
@example(start=0, offsets=[len(NOISE) - 4, len(NOISE) - 5, 0, 0], ascending=False)
@example(start=0, offsets=[len(NOISE) - 6, len(NOISE) - 3], ascending=True)
@example(start=1, offsets=[0, WINDOW_SIZE - 4, WINDOW_SIZE - 3, WINDOW_SIZE - 1, WINDOW_SIZE], ascending=True)
def test_words_are_read_up_to_the_first_past_the_end(
    noise: Path, start: int, offsets: list[int], ascending: bool
) -> None:
    offsets = sorted(offsets) if ascending else offsets
    beyond = [i for i, offset in enumerate(offsets) if start + offset + 4 > len(NOISE)]
    within = offsets[: beyond[0]] if beyond else offsets
    expected = [struct.unpack_from("<I", NOISE, start + offset)[0] for offset in within]
    assert read_words_of(noise, start, offsets) == (expected, len(within))


@pytest.mark.parametrize("offset", [len(NOISE) - 3, len(NOISE), len(NOISE) + 1, 1 << 40, 1 << 62])
def test_word_past_the_end(noise: Path, offset: int) -> None:
    assert read_words_of(noise, 0, [len(NOISE) - 4, offset, 0])[1] == 1


def test_no_words(noise: Path, tmp_path: Path) -> None:
    assert read_words_of(noise, 0, []) == ([], 0)
    (tmp_path / "empty").write_bytes(b"")
    assert read_words_of(tmp_path / "empty", 0, [0]) == ([], 0)


def test_words_above_4_gib(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.seek((1 << 33) + 8)
        file.write(b"\1\2\3\4")
    words, done = read_words_of(tmp_path / "sparse", 1 << 33, [0, 8, 9])
    assert (words, done) == ([0, 0x04030201], 2)
    assert read_words_of(tmp_path / "sparse", 0, [1 << 33, (1 << 33) + 8])[0] == [0, 0x04030201]


@pytest.mark.posix("error numbers of POSIX")
def test_unreadable_descriptor_is_an_error(noise: Path, tmp_path: Path) -> None:
    file = os.open(noise, os.O_RDONLY)
    os.close(file)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)) as caught:
        read_words(file, 0, uint64(0))
    assert caught.value.errno == errno.EBADF
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EISDIR)):
            read_words(folder, 0, uint64(0))
    finally:
        os.close(folder)
    with noise.open("rb") as handle, pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        read_words(handle.fileno(), 0, uint64((1 << 64) - 2))


# ---- threads ----


def test_many_threads_get_the_same_results(noise: Path, tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(200)]
    for i, path in enumerate(paths):
        path.write_bytes(NOISE[i : 3 * i])
    names, sizes = encode_paths(paths), uint32(*range(0, 400, 2))
    offsets = np.random.default_rng(1).integers(0, len(NOISE) - 3, 3000).astype(np.uint64)
    expected = file_sizes(names)[0].tolist(), read_files(names, sizes)[0].tobytes()
    with noise.open("rb") as file, ThreadPoolExecutor(8) as pool:
        words = read_words(file.fileno(), 0, offsets)[0].tolist()

        def work(_: int) -> bool:
            here = file_sizes(names)[0].tolist(), read_files(names, sizes)[0].tobytes()
            return here == expected and read_words(file.fileno(), 0, offsets)[0].tolist() == words

        assert all(pool.map(work, range(40)))
