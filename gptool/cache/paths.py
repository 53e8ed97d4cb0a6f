"""Paths within a file store: relative, with `/` between their parts; the empty string is the root folder."""

from __future__ import annotations

from gptool.cache.file_store import FileStore
from gptool.errors import CacheError


def join_path(folder: str, name: str) -> str:
    """Return the path of an entry of a folder."""
    return f"{folder}/{name}" if folder else name


def parent_folder(path: str) -> str:
    """Return the path of the folder that contains a file or folder."""
    return path.rpartition("/")[0]


def split_path(path: str) -> list[str] | None:
    """Return the parts of a path with `/` or backslashes, without `.`; None if it has a `..` part or a drive."""
    parts = path.replace("\\", "/").split("/")
    return None if ".." in parts or ":" in parts[0] else [part for part in parts if part not in ("", ".")]


def find_entry(files: FileStore, folder: str, name: str) -> str | None:
    """Return the path of the file or folder of that name in a folder, None if there is none.

    Letter case is ignored, as Esri software writes both Conf.xml and conf.xml; `name` is in lower case.
    """
    found = min((other for other in files.list_names(folder) if other.lower() == name), default=None)
    return None if found is None else join_path(folder, found)


def find_entry_or_below(files: FileStore, folder: str, name: str) -> str | None:
    """Return the path of the file or folder of that name in a folder, or else in one of its subfolders.

    Raises
    ------
    CacheError
        If it is in several subfolders.
    """
    in_folder = find_entry(files, folder, name)
    if in_folder is not None:
        return in_folder
    subfolders = (join_path(folder, entry) for entry in sorted(files.list_names(folder)))
    below = [found for subfolder in subfolders if (found := _find_in_subfolder(files, subfolder, name))]
    if len(below) > 1:
        raise CacheError(
            f"contains more than one {name}", where=files.where(folder), found=", ".join(below), expected="one"
        )
    return below[0] if below else None


def _find_in_subfolder(files: FileStore, folder: str, name: str) -> str | None:
    try:
        return find_entry(files, folder, name) if files.is_folder(folder) else None
    except CacheError:
        return None  # a folder without read permission, such as lost+found, is not part of the cache
