"""Whether a recording is taken, by its metadata."""

from typing import Any

from include.sources import Filters

# yt-dlp's words for who may watch; the rest is public or unlisted.
CLOSED = ("private", "premium_only", "subscriber_only", "needs_auth")


def refusal(source: dict[str, Any], filters: Filters) -> str | None:
    """Why a `source` row is not taken; None if it is. What the metadata does not say refuses nothing."""
    info = source["info"]
    duration_s, language = source["duration_s"], source["language"]
    if duration_s is not None and not filters.min_duration_s <= duration_s <= filters.max_duration_s:
        return f"{duration_s:g} s long, not {filters.min_duration_s:g} to {filters.max_duration_s:g} s"
    if (info.get("age_limit") or 0) > filters.max_age_limit:
        return f"for an age of {info['age_limit']} and above"
    if info.get("availability") in CLOSED:
        return f"not open to all: {info['availability']}"
    if filters.languages and language and _primary(language) not in map(_primary, filters.languages):
        return f"its language is {language}"
    if filters.licences and source["licence"] not in filters.licences:
        return f"its licence is {source['licence']}"
    blocked = set(filters.blocked_channels)
    if not blocked.isdisjoint({source["channel"], info.get("channel"), info.get("uploader"), info.get("uploader_id")}):
        return f"its channel is blocked: {source['channel']}"
    if source["source_id"] in filters.blocked_sources:
        return "the source is blocked"
    return None


def _primary(language: str) -> str:
    """The language of a tag, without script and region."""
    return language.partition("-")[0].lower()
