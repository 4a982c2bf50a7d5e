"""E-mail addresses and phone numbers in free text: found, so that they are never published."""

import re

# `ada [at] example [dot] org` is an address as much as `ada@example.org` is.
_EMAIL = re.compile(
    r"[\w.+-]{1,64}\s{0,3}(?:@|[\[(]\s?at\s?[\])])\s{0,3}[\w-]{1,64}\s{0,3}(?:\.|[\[(]\s?dot\s?[\])])\s{0,3}[a-z]{2,}",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\w.,])(?:\+\s?)?\(?\d(?:[\s().\-/]{0,3}\d){6,14}(?!\w)")
_DIGIT = re.compile(r"\d")
_YEAR = r"(?:1[6-9]|20)\d\d"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = rf"(?:{_YEAR}(?P<ymd>[-./ ]?){_DAY}(?P=ymd){_DAY}|{_DAY}(?P<dmy>[-./ ]){_DAY}(?P=dmy){_YEAR})"
# What looks like a phone number and is one of many titles': dates, years, perhaps an episode's number before or behind.
_BREAK = r"(?=[^\d]*[\s(])[\s().\-/]{1,3}"
_NO_PHONE = [
    re.compile(pattern)
    for pattern in (
        r"\d{1,3}\.\d+",
        r"(?:1\d|20)\d\d\D{1,3}(?:1\d|20)\d\d",
        rf"\(?(?:\d{{1,4}}{_BREAK})?{_DATE}(?:{_BREAK}\d{{1,4}})?",
        rf"\(?(?:[1-9]\d{{0,2}}{_BREAK})?{_YEAR}(?:[\s().\-/]{{1,3}}{_YEAR})*",
        rf"\(?{_YEAR}(?:[\s().\-/]{{1,3}}{_YEAR})*(?:{_BREAK}[1-9]\d{{0,2}})?",
    )
]


def is_personal(text: str) -> bool:
    """Whether a text holds what looks like an e-mail address or a phone number of 7 to 15 digits.

    It errs towards yes, but for decimals, dates and years: a flagged text is kept, and only not published.
    """
    # Most texts have neither a digit nor a sign of an address, and this runs on each text of each row.
    if _DIGIT.search(text) and any(_is_phone(found[0]) for found in _PHONE.finditer(text)):
        return True
    return ("@" in text or "[" in text or "(" in text) and _EMAIL.search(text) is not None


def _is_phone(digits: str) -> bool:
    return not any(pattern.fullmatch(digits) for pattern in _NO_PHONE)
