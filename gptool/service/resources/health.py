"""The resource `/healthz`, for the programs that supervise a service."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gptool.service.health import HealthCheck
from gptool.service.settings import ServiceSettings


class HealthResource:
    """The answer whether the service can take jobs. It needs no token."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._check = HealthCheck(settings)

    async def respond(self, _: Request) -> Response:
        """Return status 200 if the service can take jobs, otherwise 503 with the reasons."""
        problems = await self._check.problems()
        value = {"status": "unavailable", "reasons": problems} if problems else {"status": "ok"}
        return JSONResponse(value, 503 if problems else 200, headers={"Cache-Control": "no-store"})
