"""The emotion vocabulary of `vocabulary.yaml`: its versions, and the family of each word."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import catalog

if TYPE_CHECKING:
    from psycopg import Connection

PATH = Path(__file__).parent / "vocabulary.yaml"


@cache
def load() -> tuple[str, dict[str, str]]:
    """Version of the vocabulary, and {word: family}. Raises ValueError if a word stands in two families."""
    content = _content()
    families: dict[str, str] = {}
    for family, words in content["families"].items():
        for word in words:
            if word in families:
                raise ValueError(f"{PATH.name}: {word!r} stands in {families[word]} and in {family}")
            families[word] = family
    return content["version"], families


@cache
def versions() -> tuple[str, ...]:
    """Every version that an annotation may name, the current one first."""
    return (load()[0], *(_content().get("earlier") or {}))


@cache
def words_of(version: str) -> dict[str, str]:
    """{word: today's word for it} of a version.

    An earlier version's words are today's, without those `added` since, and with those that `renamed` maps to
    today's name. Raises KeyError if the version is not known, ValueError if a word is mapped to one that is none.
    """
    current, families = load()
    if version == current:
        return {word: word for word in families}
    earlier = _content()["earlier"][version]
    renamed, added = earlier.get("renamed") or {}, set(earlier.get("added") or ())
    unknown = {*renamed.values(), *added} - families.keys()
    if unknown:
        raise ValueError(f"{PATH.name}: version {version} is mapped to unknown words: {', '.join(sorted(unknown))}")
    return {word: word for word in families if word not in added} | renamed


def save(connection: "Connection[catalog.Row]") -> None:
    """Make sure that the catalog knows every word of every version, and what it is today."""
    families = load()[1]
    with connection.cursor() as cursor:
        cursor.executemany(
            catalog.statement("save_word"),
            [
                (version, word, families[today], today)
                for version in versions()
                for word, today in words_of(version).items()
            ],
        )


@cache
def _content() -> dict[str, Any]:
    import yaml

    content: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    return content
