"""The pool and its tools as a program; started by its path, so that it depends on no setting of the caller."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])


def main(words: list[str]) -> int:
    if words[0] == "tool":
        from standin import tools

        return tools.run(Path(words[1]), words[2], words[3:])
    from standin import server

    return server.serve(Path(words[1]), words[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
