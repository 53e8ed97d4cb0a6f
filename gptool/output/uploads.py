"""Uploads of files that run at once, in bounded memory, with progress, and end at the first error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import NamedTuple

from gptool.errors import ExportCancelledError
from gptool.model import Phase, Progress

MAX_IN_FLIGHT = 8
"""Parts of files in flight at once; each upload also reads the next one from the disk meanwhile."""

POLL_SECONDS = 0.1


class Transfer(NamedTuple):
    """What an upload needs of those that run with it.

    Attributes
    ----------
    parts : int
        The parts of the file that may be in flight.
    advance : callable
        To be called with the bytes that were sent; raises an exception when another upload has failed.
    """

    parts: int
    advance: Callable[[int], None]


class Uploads:
    """Uploads of files, some at once.

    Parameters
    ----------
    total : int
        The bytes of all files.
    progress : Progress or None
        Called with `Phase.UPLOADING` and bytes, by the thread that runs the uploads.
    """

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress = total, progress
        self._done, self._lock, self._stopped = 0, threading.Lock(), threading.Event()

    def run(self, uploads: Iterable[Callable[[Transfer], None]], number: int) -> None:
        """Run uploads. The first exception, also of the progress, ends the others and is raised.

        Parameters
        ----------
        uploads : iterable of callable
        number : int
            How many there are.
        """
        threads = max(min(number, MAX_IN_FLIGHT), 1)
        transfer, remaining = Transfer(MAX_IN_FLIGHT // threads, self._count), iter(uploads)
        with ThreadPoolExecutor(threads, "gptool-uploads") as pool:
            waiting = set[Future[None]]()
            try:
                while True:
                    waiting |= {
                        pool.submit(self._run, upload, transfer)
                        for upload in islice(remaining, 2 * MAX_IN_FLIGHT - len(waiting))
                    }
                    if not waiting:
                        return
                    # Not for longer: a signal that arrives just before the wait does not interrupt it.
                    ended, waiting = wait(waiting, POLL_SECONDS, FIRST_COMPLETED)
                    self._report()
                    for future in ended:
                        future.result()
            except BaseException:
                self._stopped.set()
                raise

    def _run(self, upload: Callable[[Transfer], None], transfer: Transfer) -> None:
        self._count(0)
        upload(transfer)

    def _count(self, size: int) -> None:
        with self._lock:
            self._done += size
        if self._stopped.is_set():
            raise ExportCancelledError("the upload was stopped")

    def _report(self) -> None:
        if self._progress:
            self._progress(Phase.UPLOADING, self._done, self._total)
