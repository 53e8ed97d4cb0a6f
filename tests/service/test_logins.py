"""Users who log in with name and password, and their tokens."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gptool.cli import main
from gptool.errors import ServiceError, SettingsError
from gptool.service import login_attempts, logins
from gptool.service.logins import HASHING_THREADS, MAX_WAITING, Logins, read_secret
from gptool.service.tokens import add_token
from gptool.service.users import add_user, read_users
from helpers.command_line import GPTOOL, read_terminal
from helpers.memory import peak_memory, reset_peak_memory
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess

PASSWORD = "correct höûse battery"
WORLD = "services/World/ImageServer"
START = f"{WORLD}/exportTiles"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logins")


@pytest.fixture(scope="module")
def token(folder: Path) -> str:
    """A token of a token file."""
    return add_token(folder / "tokens", "crew")


@pytest.fixture(scope="module")
def service(folder: Path, token: str, cache: Path) -> Iterator[ServiceProcess]:
    for name in ("anna", "bert", "carl", "dora"):
        add_user(folder / "users", name, PASSWORD)
    files = ["--user-file", folder / "users", "--token-file", folder / "tokens"]
    with ServiceProcess(folder, f"World={cache}", *files) as running:
        yield running
        assert PASSWORD not in running.log()


@pytest.fixture
def client(service: ServiceProcess) -> RestClient:
    return RestClient(service.address)


def log_in(client: RestClient, name: str = "anna", password: str = PASSWORD, **others: object) -> dict[str, object]:
    reply = client.post("/arcgis/tokens/generateToken", username=name, password=password, f="json", **others)
    assert reply.headers.get("cache-control", "no-store") == "no-store"
    return reply.json()


class TestTokenService:
    def test_info_names_the_token_service(self, client: RestClient) -> None:
        assert client.json("info")["authInfo"] == {
            "isTokenBasedSecurity": True,
            "tokenServicesUrl": f"http://{client.address}/arcgis/tokens/",
            "shortLivedTokenValidity": 60,
        }

    @pytest.mark.parametrize(
        "path", ["/arcgis/tokens/", "/arcgis/tokens/generateToken", "/arcgis/admin/generateToken", "generateToken"]
    )
    def test_password_is_exchanged_for_a_token(self, client: RestClient, path: str) -> None:
        parameters = {"username": "anna", "password": PASSWORD, "client": "referer", "referer": "http", "f": "json"}
        value = client.post(path, **parameters).json()
        assert set(value) == {"token", "expires", "ssl"}
        assert value["ssl"] is False
        assert abs(value["expires"] / 1000 - time.time() - 3600) < 60
        assert "services" in client.json("services", token=value["token"])
        assert "services" in RestClient(client.address, X_Esri_Authorization=f"Bearer {value['token']}").json(
            "services"
        )

    @pytest.mark.parametrize(("minutes", "expected"), [("5", 5), ("", 60), ("20160", 1440), ("0", 1)])
    def test_expiration_is_limited(self, client: RestClient, minutes: str, expected: int) -> None:
        expires = log_in(client, expiration=minutes)["expires"]
        assert abs(expires / 1000 - time.time() - 60 * expected) < 30  # type: ignore[operator]

    def test_invalid_expiration_is_refused(self, client: RestClient) -> None:
        error = client.post("generateToken", username="anna", password=PASSWORD, expiration="soon", f="json").error()
        assert error["details"] == ["expiration: invalid value; found 'soon', expected a number of minutes"]

    @pytest.mark.parametrize(("name", "password"), [("anna", "wrong password"), ("nobody", PASSWORD), ("", "")])
    def test_wrong_name_and_wrong_password_are_told_alike(self, client: RestClient, name: str, password: str) -> None:
        assert log_in(client, name, password)["error"] == {
            "code": 400,
            "message": "Invalid or missing input parameters.",
            "details": ["Invalid username or password."],
        }

    def test_password_is_accepted_by_post_and_in_the_body_only(self, client: RestClient) -> None:
        query = f"?username=anna&password={'x' * 10}&f=json"
        path = "/arcgis/tokens/generateToken"
        assert client.ask("GET", path + query).error()["code"] == 405
        assert client.ask("POST", path + query).error()["code"] == 400

    def test_valid_token_is_returned_with_its_expiry(self, client: RestClient, token: str) -> None:
        value = log_in(client, expiration=5)
        again = client.post("/arcgis/tokens/", token=value["token"], serverUrl="x", expiration=20160, f="json").json()
        assert again == value
        for other in (token, "x.y"):
            assert client.post("/arcgis/tokens/", token=other, f="json").error()["code"] == 498

    def test_jobs_of_a_user_belong_to_all_logins(self, client: RestClient, token: str) -> None:
        first, second, other = (log_in(client, name)["token"] for name in ("anna", "anna", "bert"))
        assert first != second
        job = f"{START}/jobs/{client.post(START, levels='0', f='json', token=first).json()['jobId']}"
        assert "jobStatus" in client.json(job, token=second)
        for stranger in (other, token):
            assert client.get(job, token=stranger, f="json").error()["code"] == 404

    def test_attempts_are_limited(self, client: RestClient) -> None:
        codes = [log_in(client, "carl", "wrong password")["error"]["code"] for _ in range(12)]  # type: ignore[index]
        assert codes == [400] * 10 + [429] * 2
        assert log_in(client, "carl")["error"]["code"] == 429  # type: ignore[index]
        assert "token" in log_in(client, "dora")

    def test_removed_users_and_old_passwords_are_not_accepted(self, client: RestClient, folder: Path) -> None:
        add_user(folder / "users", "temp", PASSWORD)
        token = log_in(client, "temp")["token"]
        assert "services" in client.json("services", token=token)
        add_user(folder / "users", "temp", PASSWORD + "!")
        assert client.get("services", token=token, f="json").error()["code"] == 498
        token = log_in(client, "temp", PASSWORD + "!")["token"]
        assert CliRunner().invoke(main, ["user", str(folder / "users"), "--remove", "temp"]).exit_code == 0
        assert client.get("services", token=token, f="json").error()["code"] == 498

    def test_forged_tokens_are_not_accepted(self, client: RestClient) -> None:
        token = str(log_in(client)["token"])
        payload, _, signature = token.partition(".")
        value = json.loads(base64.urlsafe_b64decode(payload + "=="))
        assert value["user"] == "anna"
        later = base64.urlsafe_b64encode(json.dumps(value | {"expires": value["expires"] + 1}).encode()).decode()
        others = [
            ".",
            f"{payload}.",
            f"{later}.{signature}",
            f"{later.rstrip('=')}.{signature}",
            f"{payload}.{'A' * 43}",
        ]
        texts = [b"[]", b"{}", b'{"user":{}}', b'{"user":"anna","expires":"x"}', b"[" * 700, b"\xff"]
        others += [f"{base64.urlsafe_b64encode(text).decode()}.{signature}" for text in texts]
        for forged in [*others, f"{token}A", f"{token}=", "é.é", "x" * 5000 + "."]:
            assert client.get("services", token=forged, f="json").error()["code"] == 498, forged

    @pytest.mark.posix("modes of files")
    def test_secret_and_user_file_are_private(self, service: ServiceProcess, folder: Path) -> None:
        for path in (service.output / "token-secret", folder / "users"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert PASSWORD not in (folder / "users").read_text()

    @pytest.mark.posix("the peak of memory in /proc")
    def test_simultaneous_logins_use_little_memory(self, service: ServiceProcess, client: RestClient) -> None:
        async def attempt(number: int) -> bytes:
            reader, writer = await asyncio.open_connection(*service.address.split(":"))
            body = f"username=user{number}&password=xxxxxxxx&f=json".encode()
            writer.write(b"POST /arcgis/tokens/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n")
            writer.write(b"Content-Type: application/x-www-form-urlencoded\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            answer = await reader.read()
            writer.close()
            return answer

        async def attempts() -> list[bytes]:
            return await asyncio.gather(*map(attempt, range(200)))

        before = reset_peak_memory(service.process.pid)
        answers = asyncio.run(attempts())
        codes = {code for code in (b"400", b"429", b"503") if any(b'"code":' + code in answer for answer in answers)}
        assert b"503" in codes
        assert peak_memory(service.process.pid) - before < HASHING_THREADS * 32 * MEGABYTE + 16 * MEGABYTE


class TestLogins:
    @pytest.fixture
    def users(self, tmp_path: Path) -> Path:
        add_user(tmp_path / "users", "anna", PASSWORD)
        return tmp_path / "users"

    def test_tokens_expire(self, users: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        accepted = Logins(users, read_secret(tmp_path))
        token = asyncio.run(accepted.log_in("anna", PASSWORD, "::1", 5)).token
        assert accepted.owner(token) == "user:anna"
        now = time.time()
        monkeypatch.setattr(logins.time, "time", lambda: now + 301)
        with pytest.raises(ServiceError, match="Invalid Token"):
            accepted.owner(token)

    def test_tokens_are_valid_in_each_process_with_the_same_secret_only(self, users: Path, tmp_path: Path) -> None:
        token = asyncio.run(Logins(users, read_secret(tmp_path)).log_in("anna", PASSWORD, "::1")).token
        assert Logins(users, read_secret(tmp_path)).owner(token) == "user:anna"
        with pytest.raises(ServiceError, match="Invalid Token"):
            Logins(users, read_secret(tmp_path / "other")).owner(token)

    def test_attempts_are_limited_for_addresses_and_users(self, monkeypatch: pytest.MonkeyPatch) -> None:
        attempts, now = login_attempts.LoginAttempts(), 1000.0
        monkeypatch.setattr(login_attempts.time, "monotonic", lambda: now)
        for i in range(50):
            attempts.begin(f"user{i}", "192.0.2.1")
        with pytest.raises(ServiceError, match="try again in 11 minutes"):
            attempts.begin("another", "192.0.2.1")
        for i in range(100):
            attempts.begin("anna", f"198.51.100.{i}")
        with pytest.raises(ServiceError, match="too many failed attempts"):
            attempts.begin("anna", "203.0.113.1")
        for _ in range(1000):
            attempts.begin("bert", "203.0.113.1")
            attempts.succeed("bert", "203.0.113.1")
        now += login_attempts.INTERVAL_SECONDS
        attempts.begin("anna", "192.0.2.1")
        for i in range(30_000):
            attempts.begin(f"{i}", f"{i}")
        assert len(attempts._failures) <= login_attempts.MAX_KEYS + 3

    def test_number_of_waiting_logins_is_limited(self, users: Path, tmp_path: Path) -> None:
        accepted = Logins(users, read_secret(tmp_path))

        async def all_at_once() -> list[object]:
            attempts = [accepted.log_in(f"user{i}", PASSWORD, f"address{i}") for i in range(MAX_WAITING + 5)]
            return await asyncio.gather(*attempts, return_exceptions=True)

        errors = asyncio.run(all_at_once())
        assert (
            sorted(error.code for error in errors if isinstance(error, ServiceError)) == [400] * MAX_WAITING + [503] * 5
        )

    def test_damaged_secret_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "token-secret").write_bytes(b"x")
        with pytest.raises(SettingsError, match="token-secret: secret of tokens is damaged"):
            read_secret(tmp_path)


class TestUserFiles:
    def run(self, path: Path, *arguments: str, password: str = "") -> Result:
        return CliRunner().invoke(main, ["user", str(path), *arguments], input=f"{password}\n")

    def test_command_adds_changes_lists_and_removes_users(self, tmp_path: Path) -> None:
        path = tmp_path / "users"
        for name, password in (("anna", PASSWORD), ("bert", PASSWORD), ("anna", "another password")):
            assert self.run(path, name, password=password).exit_code == 0
        assert self.run(path, "--list").output == "bert\nanna\n"
        users = read_users(path)
        assert [users["anna"].has_password(text) for text in (PASSWORD, "another password")] == [False, True]
        assert users["anna"].salt != users["bert"].salt
        assert self.run(path, "--remove", "anna").exit_code == 0
        assert "user name is unknown; found 'anna', expected one of bert" in self.run(path, "--remove", "anna").output

    def test_invalid_names_and_passwords_are_refused(self, tmp_path: Path) -> None:
        assert (
            "password has an invalid length; found 5 characters"
            in self.run(tmp_path / "u", "a", password="short").output
        )
        assert "invalid user name; found 'a b'" in self.run(tmp_path / "u", "a b", password=PASSWORD).output
        assert not (tmp_path / "u").exists()

    @pytest.mark.posix("terminals")
    def test_password_is_asked_for_on_a_terminal(self, tmp_path: Path) -> None:
        pty = pytest.importorskip("pty")
        child, terminal = pty.fork()
        if not child:
            os.execv(GPTOOL[0], [*GPTOOL, "user", str(tmp_path / "users"), "anna"])
        for prompt in (b"Password: ", b"Repeat for confirmation: "):
            shown = b""
            while not shown.endswith(prompt):
                shown += os.read(terminal, 1)
            os.write(terminal, f"{PASSWORD}\n".encode())
        assert PASSWORD.encode() not in read_terminal(terminal)
        assert os.waitpid(child, 0)[1] == 0
        assert read_users(tmp_path / "users")["anna"].has_password(PASSWORD)

    @pytest.mark.parametrize(
        "line",
        [
            "anna password",
            "anna scrypt$15$8$1$AAAA$",
            "anna scrypt$30$8$1$AAAA$AAAA",
            "anna scrypt$0$8$1$AAAA$AAAA",
            "anna scrypt$15$8$1$A$AAAA",
        ],
    )
    def test_malformed_line_is_not_repeated_in_the_message(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "u").write_text(f"# users\n{line}\n")
        with pytest.raises(SettingsError, match="u: line 2 is malformed; expected a name and a hash") as caught:
            read_users(tmp_path / "u")
        assert line.split()[1] not in str(caught.value)
