"""The program of `sharing`, whose memory the handlers share: not part of it, as a program has another name."""

from __future__ import annotations

import sys

from .sharing import run

if __name__ == "__main__":
    run(sys.argv[1])
