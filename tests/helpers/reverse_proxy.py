"""nginx with a certificate of its own, configured as docs/reverse-proxy.md says, in front of a service."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from helpers.waiting import TIMEOUT, wait_until

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
OPENSSL = shutil.which("openssl")
DOCUMENT = Path(__file__).parents[2] / "docs" / "reverse-proxy.md"
PREFIX = "/tiles"

MAIN = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{documented}
}}
"""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class ReverseProxy:
    """nginx in front of a service. Leaving the context stops it.

    Parameters
    ----------
    folder : Path
        Where its files are.
    port : int
        The port to listen on.
    service : str
        Host and port of the service.
    keeps_prefix : bool
        Whether requests reach the service with the prefix in their paths.

    Attributes
    ----------
    tls : ssl.SSLContext
        A context that trusts the proxy's certificate.
    """

    def __init__(self, folder: Path, port: int, service: str, *, keeps_prefix: bool = False) -> None:
        assert NGINX
        certificate, key = make_certificate(folder)
        self.port, self.tls = port, ssl.create_default_context(cafile=certificate)
        replaced = {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "server_name gis.example.com": "server_name localhost",
            "server 127.0.0.1:6080": f"server {service}",
            "/etc/ssl/gis.example.com.pem": str(certificate),
            "/etc/ssl/private/gis.example.com.key": str(key),
        }
        documented = documented_configuration()
        for text, value in (*replaced.items(), *([("http://gptool/;", "http://gptool;")] if keeps_prefix else ())):
            assert documented.count(text) == 1, text
            documented = documented.replace(text, value)
        configuration = folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""  # its workers must be able to enter the folder
        configuration.write_text(MAIN.format(user=user, folder=folder, documented=documented))
        self._process = subprocess.Popen(
            [NGINX, "-p", folder, "-c", configuration, "-e", folder / "error.log"], stderr=subprocess.DEVNULL
        )
        self._log = folder / "error.log"
        wait_until(self._is_listening, self._log.read_text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT)

    def _is_listening(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


def documented_configuration() -> str:
    """Return the example of the documentation."""
    found = re.search(r"^```nginx\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of localhost, signed by itself, and return its file and that of its key."""
    assert OPENSSL
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *(OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
