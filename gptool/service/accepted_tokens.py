"""The tokens that a service accepts: those of the token file, and those that users obtain by a login."""

from __future__ import annotations

from dataclasses import dataclass

from gptool.errors import ServiceError
from gptool.service.logins import SEPARATOR, USER_OWNER, Logins, read_secret
from gptool.service.settings import ServiceSettings
from gptool.service.tokens import TokenFile


@dataclass(frozen=True)
class AcceptedTokens:
    """The tokens of a service that requires one.

    Attributes
    ----------
    token_file : TokenFile or None
    logins : Logins or None
        The users, if there is a user file.
    """

    token_file: TokenFile | None
    logins: Logins | None

    def owner(self, token: str) -> str:
        """Return the owner of the jobs that are started with a token.

        Raises
        ------
        ServiceError
            If the token is not accepted (code 498), or a file cannot be read (code 500).
        """
        if self.logins and SEPARATOR in token:
            return self.logins.owner(token)
        if self.token_file:
            return self.token_file.owner(token)
        raise ServiceError("Invalid Token", code=498)

    def name(self, owner: str) -> str:
        """Return the name of the token that identifies an owner, or `user:NAME`, for logs; empty if it was removed."""
        if owner.startswith(USER_OWNER):
            return owner
        return self.token_file.name(owner) if self.token_file else ""


def accepted_tokens(settings: ServiceSettings) -> AcceptedTokens | None:
    """Return the tokens that a service accepts, None if it has neither a token file nor a user file.

    Raises
    ------
    SettingsError
        If a file cannot be read or is invalid.
    OutputError
        If the secret of the output directory cannot be read or created.
    """
    if not (settings.token_file or settings.user_file):
        return None
    token_file = TokenFile(settings.token_file) if settings.token_file else None
    logins = Logins(settings.user_file, read_secret(settings.output_directory)) if settings.user_file else None
    return AcceptedTokens(token_file, logins)
