"""Commands, and types of their values, whose errors of usage are one line in the form of all other errors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gptool import system
from gptool.system.store_url import hide_secrets, is_store_url, read_store_url
from gptool.text import format_choices, nearest_name

if TYPE_CHECKING:
    IntegerType = click.ParamType[int]
    KeywordType = click.Choice[str]
else:  # they have no type arguments in click 8.1
    IntegerType, KeywordType = click.ParamType, click.Choice

AGE_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds of each unit of an age."""

AGE = re.compile(r"([0-9]{1,9}) ?([smhdw])")

EXTRA_ARGUMENTS = re.compile(r"Got unexpected extra arguments? \((.*)\)")


class Command(click.Command):
    """A command that refuses an option that is given twice: click would use the last one and drop the others."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Raises UsageError for an option that is given twice."""
        if not ctx.resilient_parsing:  # as for the completion in a shell
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for parameter, count in Counter(order).items():
                if isinstance(parameter, click.Option) and count > 1:
                    _check_repeated(parameter, count, ctx)
        return super().parse_args(ctx, args)


def _check_repeated(option: click.Option, count: int, context: click.Context) -> None:
    if option.is_flag and option.secondary_opts:
        both = f"{option.opts[0]} and {option.secondary_opts[0]}"
        raise click.UsageError(f"{option.opts[0]}: is given {count} times; expected one of {both}", context)
    if not (option.multiple or option.is_flag):
        raise click.UsageError(f"{option.opts[0]}: is given {count} times; expected one value", context)


def _check_given(
    kind: click.ParamType[Any], value: Any, expected: str, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    """Raise BadParameter for an empty value."""
    if not str(value).strip():
        kind.fail(f"is empty; expected {expected}", param, ctx)


class Integer(IntegerType):
    """An integer from `low` to `high`."""

    name = "integer"

    def __init__(self, low: int, high: int | None = None) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the integer that a text states. Raises BadParameter if it does not state one within the limits."""
        upper = f"{self.low} or more" if self.high is None else f"from {self.low} to {self.high}"
        integer = f"an integer {'of ' * (self.high is None)}{upper}"
        _check_given(self, value, integer, param, ctx)
        expected = f"found {value}, expected {integer}"
        try:
            number = int(value)
        except ValueError:
            self.fail(f"value is not an integer; {expected}", param, ctx)
        if number < self.low or (self.high is not None and number > self.high):
            self.fail(f"value is out of range; {expected}", param, ctx)
        return number


class Age(IntegerType):
    """An age with a unit, which is read as seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds of a text such as `7d`. Raises BadParameter if it is no age."""
        _check_given(self, value, "an age such as 7d, 12h or 90m", param, ctx)
        match = AGE.fullmatch(str(value).strip().lower())
        if match is None:
            self.fail(f"value is not an age; found {value}, expected one such as 7d, 12h or 90m", param, ctx)
        return int(match[1]) * AGE_UNITS[match[2]]


class Location(click.Path):
    """A path, which is neither empty nor that of another system: the variable of a script may not be set."""

    def __init__(self, path_type: type[str | Path] = str) -> None:
        # Whether it can be read is found out by whoever reads it: one error has one message.
        super().__init__(readable=False, path_type=path_type)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path. Raises BadParameter if it is empty or means nothing on this system."""
        foreign = system.foreign_path(value) if value else None
        if foreign:
            self.fail(f"{foreign[0]}; found {hide_secrets(str(value))}, expected {foreign[1]}", param, ctx)
        _check_given(self, value, "a path", param, ctx)
        return super().convert(value, param, ctx)


class StoreLocation(Location):
    """A path, or a URL in a store."""

    def __init__(self, expected: str) -> None:
        super().__init__()
        self._expected = expected

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path or URL. Raises BadParameter as `Location.convert`."""
        if is_store_url(value):
            try:
                read_store_url(value)
            except ValueError as error:
                self.fail(f"{error}; found {hide_secrets(str(value))}, expected {self._expected}", param, ctx)
            return value
        if value and system.is_url(value):
            self.fail(f"unsupported URL; found {hide_secrets(str(value))}, expected {self._expected}", param, ctx)
        return super().convert(value, param, ctx)


class Choice(KeywordType):
    """One of several keywords."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the keyword. Raises BadParameter for another one."""
        _check_given(self, value, format_choices(self.choices), param, ctx)
        if value not in self.choices:
            self.fail(f"invalid choice; found {value}, expected {format_choices(self.choices)}", param, ctx)
        return str(value)


def usage_text(error: click.UsageError) -> str:
    """Return the line for an error of usage: the option or argument, what is wrong, found and expected."""
    if isinstance(error, click.NoSuchOption):
        return f"unknown option {error.option_name}{_suggestion(error)}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"{_name(error.param)}: is missing{_hint(error.ctx)}"
    if isinstance(error, click.BadOptionUsage):
        return f"{error.option_name}: {'takes' if 'does not take' in error.message else 'has'} no value"
    if isinstance(error, click.BadParameter) and error.param is not None:
        return f"{_name(error.param)}: {error.message}"
    return EXTRA_ARGUMENTS.sub(r"unexpected argument: \1", error.message)


def unknown_command_text(name: str, known: Iterable[str]) -> str:
    """Return the line for a command that does not exist."""
    if not name.strip():
        return "command is empty; gptool --help lists them"
    nearest = nearest_name(name, known)
    return f"unknown command {name}; " + (f"did you mean {nearest}?" if nearest else "gptool --help lists them")


def _name(parameter: click.Parameter) -> str:
    """Return an option with its dashes, or an argument as the usage shows it."""
    option = parameter.opts[0] if isinstance(parameter, click.Option) else None
    return option or parameter.metavar or (parameter.name or "").upper()


def _suggestion(error: click.NoSuchOption) -> str:
    options = [option for parameter in error.ctx.command.params for option in parameter.opts] if error.ctx else []
    nearest = nearest_name(error.option_name, [option for option in options if option.startswith("--")])
    return f"; did you mean {nearest}?" if nearest else _hint(error.ctx)


def _hint(context: click.Context | None) -> str:
    return f"; {context.command_path} --help shows the usage" if context else ""
