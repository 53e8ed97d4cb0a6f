"""S3 as moto answers it, in a process of its own, and what is in its buckets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from helpers.waiting import TIMEOUT

SERVER = """
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
input()
"""


@contextmanager
def moto_server() -> Iterator[str]:
    """Run the server; yield its address."""
    command = [sys.executable, "-W", "ignore", "-c", SERVER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()
        process.wait(TIMEOUT)


def stored_objects(client: Any, bucket: str, prefix: str = "") -> dict[str, bytes]:
    """Return the bytes of all objects below a prefix, by the rest of their keys."""
    found = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {
        entry["Key"].removeprefix(prefix).lstrip("/"): client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        for entry in found
    }


def incomplete_uploads(client: Any, bucket: str) -> list[str]:
    """Return the keys of the multipart uploads that are neither complete nor aborted."""
    return [upload["Key"] for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
