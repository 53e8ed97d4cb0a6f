"""What an upload may have put into a store, in a file of the staging folder: for the case that it is killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple, Self

from gptool import system
from gptool.cache.incomplete_uploads import Upload, abort_uploads
from gptool.cache.object_writer import delete_objects, list_objects
from gptool.output.staging_folder import UPLOAD
from gptool.system.store_url import StoreUrl, read_store_url

CONF_XML = "conf.xml"
"""The object that makes a folder a dataset."""


class UnfinishedUpload(NamedTuple):
    """An upload that is running, or was killed.

    Attributes
    ----------
    url : StoreUrl
    names : frozenset of str
        The objects that it may have put into the store, by their paths in the dataset; none if it is of a package.
    known : frozenset of Upload or None
        The incomplete multipart uploads to the URL that are not its own; None if that is not known.
    """

    url: StoreUrl
    names: frozenset[str]
    known: frozenset[Upload] | None

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return the upload of a staging folder; None if there is none."""
        try:
            value = json.loads((folder / UPLOAD).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        known = None if value["known"] is None else frozenset(Upload(*each) for each in value["known"])
        return cls(read_store_url(value["url"]), frozenset(value["names"]), known)

    def write(self, folder: Path) -> None:
        """Write the file in one step. Raises OSError if it cannot be written."""
        known = None if self.known is None else sorted(self.known)
        value = {"url": str(self.url), "names": sorted(self.names), "known": known}
        system.replace_private(folder / UPLOAD, json.dumps(value).encode())

    def withdraw(self, folder: Path) -> None:
        """Remove what the upload has put into the store, unless a dataset is complete, and then the file.

        Raises
        ------
        OutputError
            If objects cannot be removed.
        """
        abort_uploads(self.url, self.known)
        found = list_objects(self.url).keys() if self.names else set[str]()
        if CONF_XML not in found:
            delete_objects(self.url, sorted(self.names & found))
        (folder / UPLOAD).unlink(missing_ok=True)


def withdraw_upload(folder: Path) -> None:
    """Remove what an unfinished upload has put into a store, as its staging folder says.

    Raises
    ------
    OutputError
        If objects cannot be removed.
    """
    if upload := UnfinishedUpload.read(folder):
        upload.withdraw(folder)
