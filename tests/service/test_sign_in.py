"""Signing in to the pages: the token is kept in a cookie, which does not prove that its holder intends a request."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from lxml import html

from gptool.service.tokens import add_token
from gptool.service.users import add_user
from helpers.rest_client import Reply, RestClient
from helpers.service_process import ServiceProcess

PASSWORD = "correct horse battery"
ROOT = "/arcgis/rest"
WORLD = "services/World/ImageServer"
START = f"{WORLD}/exportTiles"
SAME, CROSS, NEIGHBOUR = ({"Sec_Fetch_Site": site} for site in ("same-origin", "cross-site", "same-site"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signin")


@pytest.fixture(scope="module")
def token(folder: Path) -> str:
    add_user(folder / "users", "anna", PASSWORD)
    return add_token(folder / "tokens", "crew")


@pytest.fixture(scope="module")
def service(folder: Path, token: str, cache: Path) -> Iterator[ServiceProcess]:
    options = [
        "--user-file",
        folder / "users",
        "--token-file",
        folder / "tokens",
        "--allow-origin",
        "http://127.0.0.1:9",
    ]
    with ServiceProcess(folder, f"World={cache}", *options) as running:
        yield running
        assert token not in running.log()


@pytest.fixture
def client(service: ServiceProcess) -> RestClient:
    return RestClient(service.address, **SAME)


def cookie_of(reply: Reply) -> str:
    """Return the cookie that a reply sets, after a check of its attributes, as a browser sends it."""
    [(name, morsel)] = SimpleCookie(reply.headers["set-cookie"]).items()
    attributes = {key: value for key, value in morsel.items() if value}
    assert attributes == {"path": ROOT, "httponly": True, "samesite": "strict"}
    return f"{name}={morsel.value}"


def sign_in(client: RestClient, **fields: object) -> RestClient:
    """Return a client with the cookie, as a page of the service has it."""
    reply = client.post("signIn", **fields)
    assert reply.status == 303, reply
    return RestClient(client.address, Cookie=cookie_of(reply), **SAME)


@pytest.fixture
def signed_in(client: RestClient, token: str) -> RestClient:
    return sign_in(client, token=token)


class TestSignIn:
    def test_page_without_a_token_has_both_forms(self, client: RestClient) -> None:
        page = html.document_fromstring(client.get(WORLD, x="1").body)
        forms = page.xpath("//form[@action='/arcgis/rest/signIn'][@method='post']")
        names = [form.xpath(".//input/@name") for form in forms]
        assert names == [["next", "username", "password"], ["next", "token"]]
        assert set(page.xpath("//input[@name='next']/@value")) == {f"{ROOT}/{WORLD}?x=1"}

    def test_cookie_of_a_token_or_a_login_opens_the_pages(self, client: RestClient, token: str) -> None:
        for fields in ({"token": token}, {"username": "anna", "password": PASSWORD}):
            reply = client.post("signIn", **fields, next=f"{ROOT}/{WORLD}")
            assert (reply.status, reply.headers["location"]) == (303, f"{ROOT}/{WORLD}")
            browser = RestClient(client.address, Cookie=f"other=1; {cookie_of(reply)}", **SAME)
            page = browser.get(WORLD).body.decode()
            assert "World (ImageServer)" in page
            assert token not in page
            assert "?token=" not in page
            assert "tileInfo" in browser.json(WORLD)

    def test_login_lasts_a_working_day(self, client: RestClient) -> None:
        cookie = cookie_of(client.post("signIn", username="anna", password=PASSWORD))
        payload = cookie.partition("=")[2].partition(".")[0]
        expires = json.loads(base64.urlsafe_b64decode(f"{payload}=="))["expires"]
        assert abs(expires - time.time() - 12 * 3600) < 60

    @pytest.mark.parametrize(
        "target", ["https://evil.example/", "//evil.example", "/other", f"{ROOT}", f"{ROOT}evil", "javascript:x", ""]
    )
    def test_sign_in_returns_to_own_pages_only(self, client: RestClient, token: str, target: str) -> None:
        assert client.post("signIn", token=token, next=target).headers["location"] == f"{ROOT}/services"

    @pytest.mark.parametrize("fields", [{"token": "wrong"}, {"username": "anna", "password": "wrong"}, {}])
    def test_wrong_token_or_password_shows_the_forms_again(self, client: RestClient, fields: dict[str, str]) -> None:
        reply = client.post("signIn", **fields, next=f"{ROOT}/{WORLD}")
        page = html.document_fromstring(reply.body)
        assert page.xpath("//input[@name='next']/@value") == [f"{ROOT}/{WORLD}"] * 2
        assert "set-cookie" not in reply.headers

    @pytest.mark.parametrize("headers", [CROSS, NEIGHBOUR, {"Origin": "http://127.0.0.1:9"}])
    def test_pages_of_other_sites_cannot_sign_in_or_out(
        self, service: ServiceProcess, token: str, headers: dict[str, str]
    ) -> None:
        client = RestClient(service.address, **headers)
        for path in ("signIn", "signOut"):
            reply = client.post(path, token=token)
            assert b"Error code 403" in reply.body
            assert "set-cookie" not in reply.headers

    def test_signing_out_removes_the_cookie(self, signed_in: RestClient) -> None:
        page = html.document_fromstring(signed_in.get(WORLD).body)
        assert page.xpath("//form[@method='post']/@action") == [f"{ROOT}/signOut"]
        reply = signed_in.post("signOut")
        [morsel] = SimpleCookie(reply.headers["set-cookie"]).values()
        assert (morsel.value, morsel["max-age"], morsel["path"]) == ("", "0", ROOT)
        assert "set-cookie" not in signed_in.get("signOut").headers

    def test_token_in_the_url_of_a_page_moves_into_the_cookie(self, client: RestClient, token: str) -> None:
        reply = client.get(WORLD, x="1", token=token)
        assert (reply.status, reply.headers["location"]) == (303, f"{ROOT}/{WORLD}?x=1")
        assert b"tileInfo" in RestClient(client.address, Cookie=cookie_of(reply)).get(WORLD, f="json").body
        for answer in (
            client.get(WORLD, f="json", token=token),
            RestClient(client.address, **CROSS).get(WORLD, token=token),
        ):
            assert answer.status == 200
            assert "set-cookie" not in answer.headers

    def test_cookie_is_secure_behind_https(self, folder: Path, token: str, cache: Path, tmp_path: Path) -> None:
        options = ["--token-file", folder / "tokens", "--public-url", "https://gis.example/tiles"]
        with ServiceProcess(tmp_path, f"World={cache}", *options) as service:
            reply = RestClient(service.address, **SAME).post("signIn", token=token)
            assert reply.headers["location"] == "/tiles/arcgis/rest/services"
            [morsel] = SimpleCookie(reply.headers["set-cookie"]).values()
            assert (morsel["path"], morsel["secure"]) == ("/tiles/arcgis/rest", True)


class TestCookie:
    @pytest.mark.parametrize("headers", [CROSS, NEIGHBOUR, {"Origin": "http://127.0.0.1:9"}, {"Origin": "null"}])
    def test_pages_of_other_sites_cannot_use_it(self, signed_in: RestClient, headers: dict[str, str]) -> None:
        other = RestClient(signed_in.address, Cookie=signed_in.headers["Cookie"], **headers)
        assert other.post(START, levels="0", f="json").error()["code"] == 403
        job = f"{START}/jobs/{signed_in.post(START, levels='0', f='json').json()['jobId']}"
        assert other.post(f"{job}/cancel", f="json").error()["code"] == 403
        signed_in.wait(job)

    def test_a_token_beside_it_counts_instead(self, signed_in: RestClient) -> None:
        token = signed_in.post("generateToken", username="anna", password=PASSWORD, f="json").json()["token"]
        other = RestClient(signed_in.address, Cookie=signed_in.headers["Cookie"], **CROSS)
        job = f"{START}/jobs/{other.post(START, levels='0', f='json', token=token).json()['jobId']}"
        assert signed_in.get(job, f="json").error()["code"] == 404
        assert "jobStatus" in other.json(job, token=token)
        assert signed_in.get(WORLD, f="json", token="wrong").error()["code"] == 498

    def test_invalid_cookie_is_as_none(self, client: RestClient) -> None:
        for value in ("wrong", "a.b", '"', "\xff"):
            browser = RestClient(client.address, Cookie=f"gptool_token={value}", **SAME)
            assert browser.get(WORLD, f="json").error()["code"] == 499
            assert b"Token Required" in browser.get(WORLD).body

    def test_job_is_started_and_cancelled_by_forms_without_a_token(self, signed_in: RestClient) -> None:
        reply = signed_in.post(START, levels="0", tilePackage="true")
        assert reply.status == 303
        job = reply.headers["location"]
        assert "?" not in job
        assert signed_in.wait(job)["jobStatus"] == "esriJobSucceeded"
        page = html.document_fromstring(signed_in.get(job).body)
        assert not [link for link in page.xpath("//a/@href") if "token" in link]
        [download] = page.xpath("//a[@download]/@href")[:1]
        assert signed_in.get(download).status == 200
