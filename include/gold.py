"""Clips with known answers, mixed in among the others: whoever fails them is not believed (see raters.py)."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from include import catalog, ids, raters, row_files, vocabulary
from include.contract import Name, Text

# A merge judges annotators too.
MERGE_LOCK = "select pg_advisory_xact_lock(hashtext('open_empathic_merge'))"


def _known_family(family: str) -> str:
    known = sorted(set(vocabulary.load()[1].values()))
    if family not in known:
        raise ValueError(f"{family!r} is no family; they are {', '.join(known)}")
    return family


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


Family = Annotated[str, AfterValidator(_known_family)]
Arousal = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=10)] | None
Valence = Annotated[int, BeforeValidator(_no_boolean), Field(ge=-5, le=5)] | None


class GoldAnswer(BaseModel):
    """What is right for one clip: a word of one of `families` (if any), and numbers within the bounds (if any).

    The clip is named by `clip_id`, or by `url`, `start_s` and `end_s`.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    clip_id: Name | None = None
    url: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    families: list[Family] = Field(default_factory=list)
    arousal_min: Arousal = None
    arousal_max: Arousal = None
    valence_min: Valence = None
    valence_max: Valence = None
    note: Text | None = None

    @model_validator(mode="after")
    def _names_a_clip_and_an_answer(self) -> "GoldAnswer":
        bounds = [(self.arousal_min, self.arousal_max), (self.valence_min, self.valence_max)]
        if not self.families and all(value is None for pair in bounds for value in pair):
            raise ValueError("it says no answer: families, or a bound of arousal or valence")
        for low, high in bounds:
            if low is not None and high is not None and low > high:
                raise ValueError(f"no number lies between {low} and {high}")
        if self.clip_id is None:
            if self.url is None or self.start_s is None or self.end_s is None:
                raise ValueError("the clip is named by clip_id, or by url, start_s and end_s")
            recording = ids.parse_address(self.url)
            window_ms = round(self.start_s * 1000), round(self.end_s * 1000)
            self.clip_id = ids.clip_id(ids.source_id(recording.url), *window_ms)
        return self


def import_file(path: Path) -> dict[str, Any]:
    """Take in the known answers of a JSONL or CSV file and judge anew who annotated these clips; one transaction.

    Returns `answers` taken, `rejected` rows, their `reasons`, and `annotators` judged anew. A later answer for a
    clip replaces the earlier one. Raises ValueError if the file's name says no form.
    """
    given = row_files.read(path, GoldAnswer)
    with catalog.connect() as connection:
        connection.execute(MERGE_LOCK)
        with connection.cursor() as cursor:
            cursor.executemany(
                catalog.statement("upsert_gold_answer"),
                [answer.model_dump(exclude={"url", "start_s", "end_s"}) for _, answer in given.rows],
            )
        n_judged = _judge(connection, [answer.clip_id for _, answer in given.rows])
    counts = {"answers": len(given.rows), "rejected": len(given.reasons), "annotators": n_judged}
    return {**counts, **({"reasons": given.reasons} if given.reasons else {})}


def remove(clip_id: str) -> bool:
    """Forget the known answer of a clip and judge anew who annotated it; whether there was one."""
    with catalog.connect() as connection:
        connection.execute(MERGE_LOCK)
        known = connection.execute("delete from catalog.gold_answer where clip_id = %s", [clip_id]).rowcount
        if known:
            _judge(connection, [clip_id])
    return known > 0


def answers() -> list[catalog.Row]:
    """Every known answer, with `n_annotators` who gave one and `is_known`, whether the catalog has the clip."""
    with catalog.connect() as connection:
        return catalog.rows(connection, "select_gold_answers")


def _judge(connection: Any, clip_ids: list[str | None]) -> int:
    connection.execute(
        "create temporary table annotator_of_gold on commit drop as"
        " select distinct annotator_id from catalog.annotation where clip_id = any(%s)",
        [clip_ids],
    )
    return raters.renew(connection, "annotator_of_gold")
