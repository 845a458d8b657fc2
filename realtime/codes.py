"""Close codes of the contract's section 11, and what each tells the client to do."""

from enum import IntEnum


class Close(IntEnum):
    """Why the server ends a connection. R: come back with back-off; S: stop."""

    GOING_AWAY = 1001  # R
    FRAME_TOO_LARGE = 1009  # S
    DEFECT = 1011  # R: a defect of ours, logged
    RESTART = 1012  # R
    TRY_LATER = 1013  # R: a store is away, so nobody could be authenticated
    BAD_FRAMES = 4400  # S
    UNAUTHENTICATED = 4401  # get a new token, then R; S when there is none to be had
    FORBIDDEN = 4403  # S
    TOO_SLOW = 4408  # R: too slow, or silent
    REPLACED = 4409  # S
    TOO_MANY_FRAMES = 4429  # R
