"""An algorithm of Processing that runs a command of the program."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qgis.core import QgsProcessingAlgorithm, QgsProcessingContext, QgsProcessingException, QgsProcessingFeedback

from .command_line import ProgramError, arguments, find_program
from .execution import Ended, run
from .parameters import Values, new_output, new_parameter
from .results import read_results

RULE_BROKEN = 1
"""The exit status of `verify` if a rule does not hold, which is a result."""

ENDED_BY_FORCE = (
    "The program was ended by force; gptool clean lists and removes what it may have left beside the output."
)


class ProgramAlgorithm(QgsProcessingAlgorithm):
    """An algorithm.

    Parameters
    ----------
    description : mapping
        Its entry in algorithms.json.
    program_setting : callable
        Returns the path of the program that the user has set, or an empty text.
    """

    def __init__(self, description: Mapping[str, Any], program_setting: Callable[[], str]) -> None:
        super().__init__()
        self._description, self._program_setting = description, program_setting

    def createInstance(self) -> ProgramAlgorithm:
        """Return a new algorithm of the same description."""
        return ProgramAlgorithm(self._description, self._program_setting)

    def name(self) -> str:
        """Return the second half of its id."""
        return str(self._description["name"])

    def displayName(self) -> str:
        """Return its title."""
        return str(self._description["label"])

    def shortDescription(self) -> str:
        """Return a sentence about it."""
        return str(self._description["summary"])

    def tags(self) -> list[str]:
        """Return words by which it is found."""
        return ["gptool", "tile package", "tile cache", "tpkx", "tpk", "mbtiles", "offline"]

    def shortHelpString(self) -> str:
        """Return its help as HTML: what it does, and all parameters."""
        paragraphs = [self._description["summary"], *self._description["usage"]]
        parameters = [(item["label"], item["help"]) for item in self._description["parameters"]]
        return "".join(
            [f"<p>{html.escape(text)}</p>" for text in paragraphs]
            + [f"<p><b>{html.escape(label)}</b>: {html.escape(text)}</p>" for label, text in parameters]
        )

    def initAlgorithm(self, configuration: Any = None) -> None:
        """Add parameters and outputs. Each file that is written is an output too."""
        for item in self._description["parameters"]:
            self.addParameter(new_parameter(item))
        for item in self._description["outputs"]:
            self.addOutput(new_output(item))

    def processAlgorithm(
        self, parameters: Mapping[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run the program and return the values of the outputs.

        Raises
        ------
        QgsProcessingException
            If the program is missing or fails, or the user has cancelled.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="gptool-") as folder:
                values = Values(self, parameters, context, Path(folder))
                read = {item["name"]: values.read(item) for item in self._description["parameters"]}
                command = [find_program(self._program_setting()), *arguments(self._description, read)]
                ended = run(command, self._labels(), feedback)
            return self._results(ended, feedback)
        except ProgramError as error:
            raise QgsProcessingException(str(error)) from None

    def _labels(self) -> dict[str, str]:
        """Return the titles of the parameters by the options that messages of the program name."""
        parameters = self._description["parameters"]
        return {item["option"]: f'"{item["label"]}"' for item in parameters if item["option"]}

    def _results(self, ended: Ended, feedback: QgsProcessingFeedback) -> dict[str, Any]:
        command = self._description["command"][0]
        is_verified = command == "verify" and ended.status == RULE_BROKEN
        if ended.output is None or (ended.status != 0 and not is_verified):
            raise ProgramError(_failure(ended))
        results = read_results(command, ended.output)
        for warning in results.warnings:
            feedback.pushWarning(warning)
        feedback.pushInfo(results.summary)
        return results.values


def _failure(ended: Ended) -> str:
    """Return why there is no result."""
    said = "\n".join(ended.last_lines)
    if ended.is_stopped:
        return f"Cancelled. {said or ENDED_BY_FORCE}"
    return said or f"The program gptool has failed, with status {ended.status}; what it has said is in the log."
