"""The program `gptool`, also as `python -m gptool`: the command line, which Ctrl-C ends while it is imported, too."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line with the arguments of the program."""
    try:
        from gptool.cli import main
    except KeyboardInterrupt:
        print("Interrupted; nothing half-written is left.", file=sys.stderr)
        sys.exit(130)
    main()


if __name__ == "__main__":
    run()
