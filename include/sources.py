"""`sources.yaml`: what to harvest, what not to take, and how much of each is wanted.

Every fault of the file is said with its line, all at once.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from include import vocabulary
from include.contract import AgeGroup, Gender

SOURCES = Path(__file__).parent / "sources.yaml"
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]


class SourcesError(ValueError):
    """sources.yaml is not of its form; the message has a line for each fault."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Aimed(_Part):
    """What an entry is listed for: its quotas decide how much of the run's budget it gets."""

    families: list[str] = []
    language: Language | None = None
    gender: Gender | None = None
    age_group: AgeGroup | None = None
    limit: int = Field(200, ge=1, le=5000, description="New sources at most in one run.")

    @field_validator("families")
    @classmethod
    def _families_are_known(cls, value: list[str]) -> list[str]:
        return _known_families(value)

    @property
    def aim(self) -> dict[str, list[str]]:
        """{dimension: [value]} of what is said."""
        said: dict[str, list[str]] = {
            "family": self.families,
            "language": [self.language] if self.language else [],
            "gender": [self.gender] if self.gender else [],
            "age_group": [self.age_group] if self.age_group else [],
        }
        return {dimension: values for dimension, values in said.items() if values}


class Search(_Aimed):
    """The site's own search."""

    kind: Literal["search"]
    query: str = Field(min_length=1, max_length=200)

    @property
    def address(self) -> str:
        """What yt-dlp lists."""
        return f"ytsearch{min(self.limit * 2, 500)}:{' '.join(self.query.split())}"


class Listing(_Aimed):
    """A channel, a playlist or a feed: an address that lists others."""

    kind: Literal["channel", "playlist", "feed"]
    url: HttpUrl

    @property
    def address(self) -> str:
        """What yt-dlp lists."""
        return self.url


class Urls(_Part):
    """Addresses of recordings, perhaps with times."""

    kind: Literal["urls"]
    urls: list[HttpUrl] = Field(min_length=1)


class Manifest(_Part):
    """A CSV of clips; a path beside sources.yaml or an absolute one."""

    kind: Literal["manifest"]
    path: str = Field(min_length=1)


class Suggestions(_Part):
    """What volunteers proposed: catalog.suggestion."""

    kind: Literal["suggestions"]


Entry = Annotated[Union[Search, Listing, Urls, Manifest, Suggestions], Field(discriminator="kind")]  # noqa: UP007


class Filters(_Part):
    """What is not taken, by a recording's metadata."""

    min_duration_s: float = Field(1, ge=0)
    max_duration_s: float = Field(4 * 3600, gt=0)
    max_age_limit: int = Field(17, ge=0)
    languages: list[Language] = Field([], description="Of the recording, where it is known; empty: any.")
    licences: list[str] = Field([], description="As the site names them, or `unknown`; empty: any.")
    blocked_channels: list[str] = []
    blocked_sources: list[str] = []


class Quotas(_Part):
    """How many labelled clips are wanted of each group."""

    family: dict[str, Annotated[int, Field(ge=1)]] = {}
    language: dict[Language, Annotated[int, Field(ge=1)]] = {}
    gender: dict[Gender, Annotated[int, Field(ge=1)]] = {}
    age_group: dict[AgeGroup, Annotated[int, Field(ge=1)]] = {}

    @field_validator("family")
    @classmethod
    def _families_are_known(cls, value: dict[str, int]) -> dict[str, int]:
        _known_families(list(value))
        return value


class Sources(_Part):
    """The whole file."""

    new_sources_per_run: int = Field(200, ge=1)
    urls: list[HttpUrl] = []
    entries: list[Entry] = []
    filters: Filters = Filters()
    quotas: Quotas = Quotas()


def _known_families(names: list[str]) -> list[str]:
    unknown = sorted(set(names) - set(vocabulary.load()[1].values()))
    if unknown:
        raise ValueError(f"no emotion family of the vocabulary: {', '.join(unknown)}")
    return names


def read(path: Path | None = None) -> Sources:
    """The file, checked. Raises SourcesError: one line for each fault, with its line in the file."""
    import yaml

    path = path or SOURCES
    text = path.read_text(encoding="utf-8")
    try:
        content = yaml.safe_load(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise SourcesError(f"{path.name}{where}: {getattr(error, 'problem', error)}") from None
    if not isinstance(content, dict):
        raise SourcesError(f"{path.name}, line 1: expected keys such as `urls` and `entries`")
    try:
        return Sources.model_validate(content)
    except ValidationError as invalid:
        faults = [
            f"{path.name}, line {_line(tree, fault['loc'])}: {'.'.join(_said(fault['loc']))}: "
            + fault["msg"].removeprefix("Value error, ")
            for fault in invalid.errors(include_url=False)
        ]
        raise SourcesError("\n".join(faults)) from None


def _line(node: Any, location: tuple[int | str, ...]) -> int:
    """Line, from 1, of the deepest node on the way to a fault. Pydantic's own steps (a tag, `[key]`) lead nowhere."""
    line = int(node.start_mark.line)
    for step in location:
        if isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = int(node.start_mark.line)
        elif isinstance(node.value, list) and isinstance(step, str):
            for pair in node.value:
                if isinstance(pair, tuple) and pair[0].value == step:
                    line, node = int(pair[0].start_mark.line), pair[1]
                    break
    return line + 1


def _said(location: tuple[int | str, ...]) -> Iterator[str]:
    """A fault's place in words of the file."""
    kinds = {"search", "channel", "playlist", "feed", "urls", "manifest", "suggestions"}
    for n, step in enumerate(location):
        is_tag = n == 2 and location[0] == "entries" and step in kinds
        if not is_tag and step != "[key]":
            yield str(step + 1 if isinstance(step, int) else step)
