"""Secrets, kept out of everything that is written or printed.

In: a text. Out: the text without secrets. Touches: the environment, which it reads.
"""

import os

ENDINGS = ("KEY", "TOKEN", "SECRET", "PASSWORD")  # of the names of variables that hold a secret, WANDB_API_KEY's too
SHORTEST = 8  # characters; a shorter value would also occur in ordinary words


def redacted(text: str) -> str:
    """The text with `***` for the value of every environment variable whose name ends as one of a secret does."""
    secrets = {value for name, value in os.environ.items() if name.upper().endswith(ENDINGS) and len(value) >= SHORTEST}
    for secret in sorted(secrets, key=len, reverse=True):  # one secret may contain another
        text = text.replace(secret, "***")
    return text
