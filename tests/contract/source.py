"""The project's own source, parsed."""

import ast
import gc


def parsed(path):
    """Return the syntax tree of a Python file.

    No garbage is collected meanwhile: that would let other threads run, and where one of them parses too (a traceback
    that is written does), CPython 3.11 counts the depth of both in one place and gives up (its issue 106905).
    """
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        gc.enable()
