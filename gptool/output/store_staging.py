"""Results in object stores: they are staged in a folder of temporary files, then uploaded.

A package is one object, which appears whole. A dataset is complete as soon as it has its conf.xml, which is uploaded
last; while a dataset is replaced, it has none. What an upload may have put into the store is in the staging folder
meanwhile, so that what a killed process has left can be removed or gone on with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

from gptool.cache.incomplete_uploads import Upload, abort_uploads, list_uploads
from gptool.cache.object_writer import (
    PART_BYTES,
    ObjectExistsError,
    StoredObject,
    create_object,
    delete_objects,
    find_object,
    has_content,
    has_expected_tag,
    list_objects,
    upload_file,
)
from gptool.errors import OutputError, OutputExistsError, translate_os_errors
from gptool.model import Progress
from gptool.output.result_staging import ResultStaging
from gptool.output.staging import DATASET_ENTRIES, MAX_LISTED, TILE_FILE, exists_error
from gptool.output.staging_folder import UPLOAD, staging_path
from gptool.output.unfinished_upload import CONF_XML, UnfinishedUpload, withdraw_upload
from gptool.output.uploads import Transfer, Uploads
from gptool.system.store_url import StoreUrl

LEFT = (
    "Objects of the unfinished dataset may be left in the store: the next run of the same export, or gptool clean, "
    "removes them."
)
"""The note of an error after which the store could not be cleaned."""

REPLACED = "The dataset that was to be replaced has been removed."
"""The note of an error after the old dataset was removed."""


class StoreStaging(ResultStaging):
    """A context in which a result is staged in a folder of temporary files, and uploaded by `commit`.

    See `ResultStaging`.
    """

    target: StoreUrl

    _removes_files_first = True

    @property
    def place(self) -> Path:
        """The staging folder."""
        return getattr(self, "folder", staging_path(self.target))

    @property
    def kept_place(self) -> str:
        """The staging folder, as notes say it."""
        return f"in {self.place}"

    def check(self) -> None:
        """Raise OutputExistsError if the target exists and must not be replaced."""
        self._check()

    def _check(self) -> set[str]:
        """Return the paths of the objects in the dataset that the target is, after `check`."""
        found, at_target = list_objects(self.target), find_object(self.target)
        if not self._is_folder:
            if found:
                raise OutputExistsError("cannot replace a folder with a file", where=self.target)
            if at_target and not self.overwrite:
                raise exists_error(self.target)
            return set()
        if at_target and at_target.size:  # an empty one may stand for the folder
            raise OutputExistsError("cannot replace a file with a folder", where=self.target)
        names, left = set(found), UnfinishedUpload.read(self.place)
        if CONF_XML in found or names.difference(left.names if left else ()):
            if names and not self.overwrite:
                raise exists_error(self.target)
            _check_only_dataset(self.target, names)
        return names

    def clear(self, keep: Collection[str] = ()) -> None:
        """Remove what an earlier run has left, also in the store, except entries of these names."""
        if keep:
            keep = (*keep, UPLOAD)
        else:
            try:
                withdraw_upload(self.folder)
            except OutputError:
                self.keep()
                raise
        super().clear(keep)

    def has_result(self, stamp: list[int], staged: Path) -> bool:
        """Return True if the target has the bytes of the staged result, which has this stamp."""
        try:
            if self.stamp(staged) != stamp:
                return False
        except OSError:
            return False
        if not self._is_folder:
            found = find_object(self.target)
            return found is not None and has_content(self.target, found, staged)
        objects, files = list_objects(self.target), _files(staged)
        return objects.keys() == files.keys() and all(
            has_content(self.target / name, objects[name], path) for name, path in files.items()
        )

    def commit(self, staged: Path, progress: Progress | None = None) -> None:
        """Upload a staged file or folder. See `ResultStaging.commit`."""
        with translate_os_errors(self.place):
            files = _files(staged) if self._is_folder else {self.target.name: staged}
            known = self._known_uploads(files.values())
            try:
                if self._is_folder:
                    self._upload_folder(files, known, progress)
                else:
                    self._upload_file(staged, known, progress)
            finally:
                abort_uploads(self.target, known)

    def _known_uploads(self, files: Iterable[Path]) -> frozenset[Upload] | None:
        """Return the incomplete uploads to the target that are not ours; those of a killed run are aborted first.

        None if they are not known, or no file is uploaded by parts.
        """
        if left := UnfinishedUpload.read(self.folder):
            abort_uploads(self.target, left.known)
        return list_uploads(self.target) if any(path.stat().st_size >= PART_BYTES for path in files) else None

    def _upload_file(self, staged: Path, known: frozenset[Upload] | None, progress: Progress | None) -> None:
        is_there, size = False, staged.stat().st_size

        def upload(transfer: Transfer) -> None:
            nonlocal is_there
            if self.overwrite or size >= PART_BYTES:
                upload_file(staged, self.target, transfer.parts, transfer.advance, self.check)
                is_there = True
            else:
                self._create(self.target, staged)
                is_there = True
                transfer.advance(size)

        self.check()
        UnfinishedUpload(self.target, frozenset(), known).write(self.folder)
        try:
            Uploads(size, progress).run([upload], 1)
        except BaseException:
            if is_there and not self.overwrite:  # its last parts were in flight
                delete_objects(self.target.parent, [self.target.name])
            raise

    def _create(self, url: StoreUrl, path: Path) -> None:
        try:
            create_object(url, path.read_bytes())
        except ObjectExistsError:
            raise exists_error(self.target) from None

    def _upload_folder(
        self, files: dict[str, Path], known: frozenset[Upload] | None, progress: Progress | None
    ) -> None:
        """Upload the files of a dataset, conf.xml last; an old dataset has none from the start."""
        old, is_replaced = self._check(), False
        UnfinishedUpload(self.target, frozenset({*files, *old}), known).write(self.folder)
        conf_xml = files.pop(CONF_XML)
        try:
            if CONF_XML in old:
                delete_objects(self.target, [CONF_XML])
                is_replaced = True
            delete_objects(self.target, sorted(old.difference(files, [CONF_XML])))
            found = list_objects(self.target)
            uploads = [partial(self._upload_to_folder, name, path, found.get(name)) for name, path in files.items()]
            Uploads(sum(path.stat().st_size for path in files.values()), progress).run(uploads, len(uploads))
            self._create(self.target / CONF_XML, conf_xml)
        except BaseException as error:
            if is_replaced:
                error.add_note(REPLACED)
            if not isinstance(error, OutputExistsError):  # else the objects may be those of another run
                self._withdraw(error)
            raise

    def _upload_to_folder(self, name: str, path: Path, found: StoredObject | None, transfer: Transfer) -> None:
        """Upload a file, unless a killed run has done so, or the old dataset has it with the same bytes."""
        if found and has_expected_tag(found, path):
            transfer.advance(found.size)
        else:
            upload_file(path, self.target / name, transfer.parts, transfer.advance, lambda: None)

    def _withdraw(self, error: BaseException) -> None:
        try:
            withdraw_upload(self.folder)
        except OutputError:
            self.keep()
            error.add_note(LEFT)


def _files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their paths in it."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _check_only_dataset(url: StoreUrl, names: Collection[str]) -> None:
    """Raise an error if a folder holds other objects than those of a dataset."""
    others = sorted(name for name in names if not _is_of_dataset(name))
    if others:
        raise OutputExistsError(
            "cannot replace a folder that holds other files",
            where=url,
            found=", ".join(others[:MAX_LISTED]),
            expected="only the files of a cache raster dataset",
        )


def _is_of_dataset(name: str) -> bool:
    folder, _, path = name.partition("/")
    return folder.lower() in DATASET_ENTRIES and (not path or TILE_FILE.fullmatch(path) is not None)
