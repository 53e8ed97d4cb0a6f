"""Tokens: access to a service and to jobs, and tokens do not appear in files and logs."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gptool.cli import main
from gptool.errors import ServiceError, SettingsError
from gptool.service.tokens import TokenFile, add_token
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess

WORLD = "services/World/ImageServer"
START = f"{WORLD}/exportTiles"
PARAMETERS = {"levels": "0", "f": "json"}


class TestTokens:
    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("tokens")

    @pytest.fixture(scope="class")
    @classmethod
    def tokens(cls, folder: Path) -> list[str]:
        return [add_token(folder / "tokens", name) for name in ("crew", "office")]

    @pytest.fixture(scope="class")
    @classmethod
    def secured(cls, folder: Path, tokens: list[str], cache: Path) -> Iterator[ServiceProcess]:
        with ServiceProcess(folder, f"World={cache}", "--token-file", folder / "tokens") as running:
            yield running
            assert not any(token in running.log() for token in tokens)

    def test_only_info_is_public(self, secured: ServiceProcess) -> None:
        client = RestClient(secured.address)
        assert client.json("info")["authInfo"] == {"isTokenBasedSecurity": True}
        for path in ("services", WORLD, f"{WORLD}/tile/0/0/0", START, "openapi.json", "directories/arcgisoutput/j0"):
            error = client.get(path, f="json").error()
            assert error == {"code": 499, "message": "Token Required", "details": []}
            assert client.get(path, f="json", token="wrong").error()["code"] == 498

    def test_token_is_sent_as_parameter_or_header(self, secured: ServiceProcess, tokens: list[str]) -> None:
        client = RestClient(secured.address)
        assert "services" in client.json("services", token=tokens[0])
        assert "services" in client.post("services", f="json", token=tokens[0]).json()
        for header in ("Authorization", "X_Esri_Authorization"):
            assert (
                "services"
                in client.ask("GET", client.path("services") + "?f=json", **{header: f"Bearer {tokens[0]}"}).json()
            )

    def test_job_is_visible_to_its_owner_only(self, secured: ServiceProcess, tokens: list[str]) -> None:
        crew, office = (RestClient(secured.address, Authorization=f"Bearer {token}") for token in tokens)
        job, value = crew.run(START, levels="0", tilePackage="true")
        assert value["jobStatus"] == "esriJobSucceeded"
        folder = crew.result(job)
        [file] = crew.get(folder).json()["files"]
        for path in (
            job,
            f"{job}/results/out_service_url",
            f"{job}/inputs/levels",
            f"{job}/cancel",
            folder,
            file["url"],
        ):
            assert crew.get(path, f="json").status == 200
            assert office.get(path, f="json").error()["code"] == 404

    def test_token_allows_cross_site_requests(self, secured: ServiceProcess, tokens: list[str]) -> None:
        client = RestClient(secured.address, Origin="https://maps.example", Sec_Fetch_Site="cross-site")
        assert "jobId" in client.post(START, **PARAMETERS, token=tokens[0]).json()

    def test_added_and_removed_tokens_take_effect_at_once(
        self, secured: ServiceProcess, folder: Path, tokens: list[str]
    ) -> None:
        client = RestClient(secured.address)
        added = add_token(folder / "tokens", "added")
        assert "services" in client.json("services", token=added)
        lines = (folder / "tokens").read_text().splitlines(keepends=True)
        (folder / "tokens").write_text("".join(line for line in lines if not line.startswith("added ")))
        assert client.get("services", f="json", token=added).error()["code"] == 498
        assert "services" in client.json("services", token=tokens[1])

    def test_file_contains_no_token(self, folder: Path, tokens: list[str]) -> None:
        text = (folder / "tokens").read_text()
        assert not any(token in text for token in tokens)

    @pytest.mark.posix("modes of files")
    @pytest.mark.usefixtures("tokens")
    def test_file_is_private(self, folder: Path) -> None:
        assert (folder / "tokens").stat().st_mode & 0o077 == 0


class TestTokenFiles:
    def test_invalid_and_used_names_are_rejected(self, tmp_path: Path) -> None:
        add_token(tmp_path / "t", "crew")
        with pytest.raises(SettingsError, match="t: token name is already used; found 'crew', expected another name"):
            add_token(tmp_path / "t", "crew")
        with pytest.raises(SettingsError, match="t: invalid token name; found 'a b', expected letters"):
            add_token(tmp_path / "t", "a b")

    def test_file_without_a_final_newline_is_extended(self, tmp_path: Path) -> None:
        first = add_token(tmp_path / "t", "crew")
        (tmp_path / "t").write_text((tmp_path / "t").read_text().rstrip("\n"))
        second = add_token(tmp_path / "t", "office")
        tokens = TokenFile(tmp_path / "t")
        assert tokens.owner(first) != tokens.owner(second)

    def test_malformed_line_is_not_repeated_in_the_message(self, tmp_path: Path) -> None:
        (tmp_path / "t").write_text("# fine\n\ncrew myOwnPassword\n")
        with pytest.raises(
            SettingsError, match="t: line 3 is malformed; expected a name and 64 hexadecimal digits"
        ) as caught:
            TokenFile(tmp_path / "t")
        assert "myOwnPassword" not in str(caught.value)

    def test_removed_file_revokes_all_tokens(self, tmp_path: Path) -> None:
        token = add_token(tmp_path / "t", "crew")
        tokens = TokenFile(tmp_path / "t")
        assert len(tokens.owner(token)) == 64
        (tmp_path / "t").unlink()
        with pytest.raises(ServiceError, match=r"^token file cannot be read$") as caught:
            tokens.owner(token)
        assert caught.value.code == 500

    @pytest.mark.parametrize("change", ["\ncrew myOwnPassword\n", "\nother {digest} tomorrow\n", "\n\udcff\n"])
    def test_invalid_change_keeps_the_last_valid_tokens(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str
    ) -> None:
        path = tmp_path / "t"
        token = add_token(path, "crew")
        tokens, valid = TokenFile(path), path.read_bytes()
        path.write_bytes(valid + change.format(digest="0" * 64).encode(errors="surrogateescape"))
        for _ in range(3):
            assert tokens.owner(token)
        [message] = caplog.messages
        assert message.startswith(f"{path}: " + ("is not UTF-8" if "\udcff" in change else "line 4 "))
        assert message.endswith("; what was valid before the change of the file stays in force")
        assert "myOwnPassword" not in message
        path.write_bytes(b"# none\n")
        with pytest.raises(ServiceError, match="Invalid Token"):
            tokens.owner(token)
        assert len(caplog.messages) == 1

    def test_tokens_expire(self, tmp_path: Path) -> None:
        path = tmp_path / "t"
        lasting, short = add_token(path, "lasting"), add_token(path, "short", 1)
        tokens = TokenFile(path)
        assert tokens.owner(lasting) != tokens.owner(short)
        text, count = re.subn(r"(short \w+) \S+", r"\1 2020-01-01T00:00:00Z", path.read_text())
        assert count == 1
        path.write_text(text)
        assert tokens.owner(lasting)
        with pytest.raises(ServiceError, match="Invalid Token") as caught:
            tokens.owner(short)
        assert caught.value.code == 498

    def test_command_lists_and_revokes_tokens(self, tmp_path: Path) -> None:
        def run(*arguments: str) -> Result:
            return CliRunner().invoke(main, ["token", str(tmp_path / "t"), *arguments])

        first, second = (run("crew").output.strip(), run("office", "--days", "30").output.strip())
        day = datetime.now(UTC) + timedelta(days=30)
        lines = run("--list").output.splitlines()
        assert lines[0] == "crew  no expiry"
        assert re.fullmatch(rf"office  expires {day:%Y-%m-%d} \d\d:\d\d UTC", lines[1])
        (tmp_path / "t").chmod(0o640)
        assert (run("--revoke", "crew").exit_code, run("--revoke", "crew").exit_code) == (0, 2)
        assert TokenFile(tmp_path / "t").owner(second)
        with pytest.raises(ServiceError, match="Invalid Token"):
            TokenFile(tmp_path / "t").owner(first)
        assert [path.name for path in tmp_path.iterdir()] == ["t"]
        for arguments in (("--list", "crew"), (), ("--days", "3"), ("--revoke", "office", "--days", "3")):
            assert "expected one of NAME" in run(*arguments).output

    @pytest.mark.posix("modes of files")
    def test_rewritten_file_keeps_permissions_of_its_group_only(self, tmp_path: Path) -> None:
        path = tmp_path / "t"
        add_token(path, "crew")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        link = tmp_path / "link"
        link.symlink_to(path)
        add_token(link, "office")
        assert link.is_symlink()
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def test_command_adds_a_token(self, tmp_path: Path) -> None:
        result = CliRunner().invoke(main, ["token", str(tmp_path / "t"), "crew"])
        assert result.exit_code == 0
        assert TokenFile(tmp_path / "t").owner(result.output.strip())
        again = CliRunner().invoke(main, ["token", str(tmp_path / "t"), "crew"])
        assert again.exit_code == 2
