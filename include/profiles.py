"""What annotators chose to tell of themselves. Only for bias tables by group: never for weights, never by person."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from include import catalog, row_files
from include.contract import AgeGroup, Gender, Name


class Profile(BaseModel):
    """One annotator's profile; a field left out was not told. With none told, the profile is forgotten."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    annotator_id: Name
    age_group: AgeGroup | None = None
    gender: Gender | None = None
    first_language: Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None

    def is_blank(self) -> bool:
        """Whether nothing is told."""
        return (self.age_group, self.gender, self.first_language) == (None, None, None)


def import_file(path: Path) -> dict[str, Any]:
    """Take in the profiles of a JSONL or CSV file; each replaces what its annotator told before.

    Returns `profiles` set, profiles `forgotten`, `rejected` rows and their `reasons`; an annotator who has sent no
    annotation yet is none. Raises ValueError if the file's name says no form.
    """
    given = row_files.read(path, Profile)
    counts = {"profiles": 0, "forgotten": 0}
    with catalog.connect() as connection:
        for line, profile in given.rows:
            if profile.is_blank():
                counts["forgotten"] += connection.execute(
                    "delete from catalog.annotator_profile where annotator_id = %s", [profile.annotator_id]
                ).rowcount
            elif catalog.run(connection, "upsert_annotator_profile", **profile.model_dump()):
                counts["profiles"] += 1
            else:
                given.refuse(line, f"no annotator {profile.annotator_id}")
    counts["rejected"] = len(given.reasons)
    return {**counts, **({"reasons": given.reasons} if given.reasons else {})}
