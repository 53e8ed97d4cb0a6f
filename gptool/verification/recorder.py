"""The recorder of findings: keeps those of the rules that are checked, up to a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gptool.errors import MAX_FOUND
from gptool.system.store_url import Location
from gptool.verification.finding import Finding, Group, Severity, Where
from gptool.verification.rule import Rule

MAX_FINDINGS = 100_000
"""Findings that are kept, since every tile of a package may have one; all of them are counted."""

ORDER = list(Group)


@dataclass
class Recorder:
    """The findings so far.

    Attributes
    ----------
    clients : mapping of str to tuple of str
        The rules that are checked, by name, with the clients that are affected.
    location : Path or StoreUrl
        The package or cache, whose path is not repeated in findings: clients of a service must not learn it.
    omitted : int
        Findings beyond `MAX_FINDINGS`.
    """

    clients: Mapping[str, tuple[str, ...]]
    location: Location
    omitted: int = 0
    _findings: list[Finding] = field(default_factory=list)

    def checks(self, rule: Rule) -> bool:
        """Return True if the rule is checked."""
        return rule.name in self.clients

    def add(self, rule: Rule, where: Where, found: object, expected: object) -> None:
        """Add a finding, unless the rule is not checked."""
        if not self.checks(rule):
            return
        if len(self._findings) >= MAX_FINDINGS:
            self.omitted += 1
            return
        texts = (self._text(found), self._text(expected))
        self._findings.append(Finding(rule.name, rule.group, rule.severity, where, *texts, self.clients[rule.name]))

    def require(self, condition: object, rule: Rule, where: Where, found: object, expected: object) -> None:
        """Add a finding unless the condition holds."""
        if not condition:
            self.add(rule, where, found, expected)

    def has_findings(self, *groups: Group) -> bool:
        """Return True if there is a finding of one of the groups."""
        return any(finding.group in groups for finding in self._findings)

    def has_errors(self, *groups: Group) -> bool:
        """Return True if there is a finding of one of the groups that is an error."""
        return any(finding.group in groups and finding.severity is Severity.ERROR for finding in self._findings)

    def has_finding(self, rule: Rule) -> bool:
        """Return True if there is a finding of the rule."""
        return any(finding.rule == rule.name for finding in self._findings)

    def sorted(self) -> list[Finding]:
        """Return the findings by group, in the order in which they were found."""
        return sorted(self._findings, key=lambda finding: ORDER.index(finding.group))

    def _text(self, value: object) -> str:
        """Return a value as a line of limited length: it may come from a file, and be anything."""
        text = str(value) if isinstance(value, str | Exception) else repr(value)
        absolute = self.location.absolute() if isinstance(self.location, Path) else self.location
        for path in (self.location, absolute):
            text = text.replace(f"{path}/", "").replace(str(path), path.name)
        text = "".join(c if c.isprintable() else "?" for c in text[: MAX_FOUND + 1])
        return text if len(text) <= MAX_FOUND else text[:MAX_FOUND] + "..."
