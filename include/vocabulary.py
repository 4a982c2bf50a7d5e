"""The emotion vocabulary of `vocabulary.yaml`: its version, and the family of each word."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from include import catalog

if TYPE_CHECKING:
    from psycopg import Connection

PATH = Path(__file__).parent / "vocabulary.yaml"


@cache
def load() -> tuple[str, dict[str, str]]:
    """Version of the vocabulary, and {word: family}. Raises ValueError if a word stands in two families."""
    import yaml

    content = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    families: dict[str, str] = {}
    for family, words in content["families"].items():
        for word in words:
            if word in families:
                raise ValueError(f"{PATH.name}: {word!r} stands in {families[word]} and in {family}")
            families[word] = family
    return content["version"], families


def save(connection: "Connection[catalog.Row]") -> None:
    """Make sure that the catalog knows every word of the current version."""
    version, families = load()
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into catalog.vocabulary (version, word, family) values (%s, %s, %s) on conflict do nothing",
            [(version, word, family) for word, family in families.items()],
        )
