"""Secrets kept out of whatever is written or said.

In: a text. Out: the text without them. Touches: the environment, which it reads.
"""

import os

ENDINGS = ("KEY", "TOKEN", "SECRET", "PASSWORD")  # of the names of variables that hold a secret, WANDB_API_KEY's too
SHORTEST = 8  # characters; a shorter value would be found in innocent words


def redacted(text: str) -> str:
    """The text with `***` for the value of every variable of the environment whose name says that it is a secret."""
    secrets = {value for name, value in os.environ.items() if name.upper().endswith(ENDINGS) and len(value) >= SHORTEST}
    for secret in sorted(secrets, key=len, reverse=True):  # one may stand inside another
        text = text.replace(secret, "***")
    return text
