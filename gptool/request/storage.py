"""The `storageFormatType` parameter: how a cache raster dataset stores its tiles."""

from __future__ import annotations

from gptool.errors import ParameterError
from gptool.model import StorageFormat

WORDS = {
    word.lower(): storage
    for storage in (StorageFormat.COMPACT_V2, StorageFormat.COMPACT)
    for word in (storage.value, storage.value.removeprefix("esriMapCacheStorageMode"))
}


def parse_storage(word: str | None) -> StorageFormat | None:
    """Return the storage format that is meant, None for none.

    Parameters
    ----------
    word : str or None
        `esriMapCacheStorageModeCompactV2`, `esriMapCacheStorageModeCompact`, or in short `compactV2`, `compact`; in any
        letter case.

    Raises
    ------
    ParameterError
        When it is another.
    """
    if word is None or not word.strip():
        return None
    storage = WORDS.get(word.strip().lower())
    if storage is None:
        raise ParameterError(
            "unknown, or not one that is written",
            where="storage format type",
            found=repr(word),
            expected="compactV2 or compact, or their long names",
        )
    return storage
