"""Stop strings: has the text just completed one?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reasonforge.core.rollouts import Int32

# Cutting a sequence may garble the first character (half a UTF-8 sequence, a decoder's word mark): look that much further back.
_GUARD_CHARACTERS = 8


def stop_string_check(stop_strings: Sequence[str], decode: Callable[[list[int]], str]) -> Callable[[Int32], bool]:
    """Return a function that tells whether the last of some tokens completes a stop string.

    It is asked after every token, so an occurrence that ended earlier was found earlier: only the tail needs decoding. The tail is
    lengthened until its text is longer than any stop string, since a token may be a part of a character or no text at all.
    """
    needed = max(len(text) for text in stop_strings) + _GUARD_CHARACTERS

    def completes(token_ids: Int32) -> bool:
        count = needed
        while True:
            text = decode(token_ids[-count:].tolist())
            if len(text) >= needed or count >= len(token_ids):
                return any(stop in text for stop in stop_strings)
            count *= 2

    return completes
