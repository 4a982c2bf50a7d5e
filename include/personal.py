"""E-mail addresses and phone numbers in free text: found, so that they are never published."""

import re

# `ada [at] example [dot] org` is an address as much as `ada@example.org` is.
_EMAIL = re.compile(
    r"[\w.+-]{1,64}\s{0,3}(?:@|[\[(]\s?at\s?[\])])\s{0,3}[\w-]{1,64}\s{0,3}(?:\.|[\[(]\s?dot\s?[\])])\s{0,3}[a-z]{2,}",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\w.,])(?:\+\s?)?\(?\d(?:[\s().\-/]{0,3}\d){6,14}(?!\w)")
_DIGIT = re.compile(r"\d")
_YEARS_OR_DECIMAL = re.compile(r"(?:1[0-9]|20)\d\d\D{1,3}(?:1[0-9]|20)\d\d|\d{1,3}\.\d+")


def is_personal(text: str) -> bool:
    """Whether a text holds what looks like an e-mail address or a phone number of 7 to 15 digits.

    It errs towards yes, but for two years in a row and decimals: a flagged text is kept, and only not published.
    """
    # Most texts have neither a digit nor a sign of an address, and this runs on each text of each row.
    if _DIGIT.search(text) and any(not _YEARS_OR_DECIMAL.fullmatch(found[0]) for found in _PHONE.finditer(text)):
        return True
    return ("@" in text or "[" in text or "(" in text) and _EMAIL.search(text) is not None
