"""What the worker says of a file that it refuses, in a form that crosses the process border as JSON."""


class Wrong(Exception):
    """A refusal. `kind` is `invalid` (422), `unsupported` (415) or `full` (507); `detail` is for people."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
