"""Known answers and annotators' profiles, as people hand them in."""

import json
from pathlib import Path
from typing import Any

import pytest

from include import bias, gold, profiles, raters, settings
from tests.conftest import annotation, merge, ready_clip, sql

CLIP = "youtube-abcdefghijk-0-9000"


def clip_id(n: int) -> str:
    return f"youtube-abcdefghijk-{n}-9000"


def file_of(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_known_answers_judge_who_already_answered(pipeline: settings.Settings, tmp_path: Path) -> None:
    for n in range(6):
        merge([annotation(clip_id(n), "liar", emotions=["happy"]), annotation(clip_id(n), "ada", emotions=["sad"])])
    answers = [{"clip_id": clip_id(n), "families": ["sad_and_despondent"]} for n in range(6)]
    path = file_of(tmp_path / "gold.jsonl", answers)
    assert gold.import_file(path) == {"answers": 6, "rejected": 0, "annotators": 2}
    found = {row["annotator_id"]: row for row in raters.evidence()}
    assert (found["liar"]["state"], found["liar"]["evidence"]["signals"]) == ("blocked", ["fails_gold"])
    assert (found["ada"]["evidence"]["n_gold"], found["ada"]["evidence"]["n_gold_right"]) == (6, 6)
    merge([annotation(clip_id(9), "ada")])
    assert {row["n_raters"] for row in sql("select n_raters from catalog.label")} == {1}
    assert [(row["n_annotators"], row["is_known"]) for row in gold.answers()] == [(2, False)] * 6
    assert all(gold.remove(clip_id(n)) for n in range(6))
    assert raters.evidence("liar")[0]["state"] == "new"
    assert not gold.remove(clip_id(0))


def test_answers_come_before_or_after_what_they_judge(pipeline: settings.Settings, tmp_path: Path) -> None:
    rows = [annotation(clip_id(n), who, arousal=n) for n in range(6) for who in ("ada", "bo")]
    path = file_of(tmp_path / "gold.jsonl", [{"clip_id": clip_id(n), "arousal_min": 4} for n in range(6)])
    merge(rows)
    gold.import_file(path)
    after = [{k: v for k, v in row["evidence"].items() if k != "renewed_at"} for row in raters.evidence()]
    sql("truncate catalog.annotator, catalog.annotation, catalog.label cascade")
    merge(rows)
    assert [{k: v for k, v in row["evidence"].items() if k != "renewed_at"} for row in raters.evidence()] == after


def test_an_answer_in_csv_names_its_clip_either_way_and_is_replaced_by_a_later_one(
    pipeline: settings.Settings, tmp_path: Path
) -> None:
    path = tmp_path / "gold.csv"
    path.write_text(
        "clip_id,url,start_s,end_s,families,arousal_max,note\n"
        f'{CLIP},,,,"[""angry_and_irritated""]",,"a quarrel,\nloud"\n'
        ",https://youtu.be/bcdefghijkl,0,5,,3,\n"
        f"{CLIP},,,,,9,\n"
    )
    assert gold.import_file(path)["answers"] == 3
    found = {row["clip_id"]: row for row in gold.answers()}
    assert found.keys() == {CLIP, "youtube-bcdefghijkl-0-5000"}
    assert (found[CLIP]["families"], found[CLIP]["arousal_max"], found[CLIP]["note"]) == ([], 9, None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("broken\n", "no JSON"),
        ({"clip_id": CLIP}, "it says no answer"),
        ({"families": ["disgusted"]}, "the clip is named by"),
        ({"clip_id": CLIP, "families": ["joy"]}, "'joy' is no family; they are "),
        ({"clip_id": CLIP, "arousal_min": 11}, "arousal_min: Input should be less than or equal to 10"),
        ({"clip_id": CLIP, "valence_min": 2, "valence_max": 1}, "no number lies between 2 and 1"),
        ({"clip_id": CLIP, "arousal_min": True}, "true and false are no numbers"),
        ({"clip_id": CLIP, "arousal_min": 1, "mood": 1}, "mood: Extra inputs"),
        ({"clip_id": "a\x00", "arousal_min": 1}, "NUL"),
        ({"url": "file:///etc/passwd", "start_s": 0, "end_s": 1, "arousal_min": 1}, "no http"),
        ({"url": "https://youtu.be/abcdefghijk", "start_s": 0, "end_s": 99, "arousal_min": 1}, "over 30 s"),
        ([1], "valid dictionary"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_answer_is_refused_and_the_others_taken(
    pipeline: settings.Settings, tmp_path: Path, row: Any, reason: str
) -> None:
    good = {"clip_id": clip_id(1), "arousal_min": 4}
    found = gold.import_file(file_of(tmp_path / "gold.jsonl", [row, good]))
    assert (found["answers"], found["rejected"]) == (1, 1)
    assert found["reasons"][0].startswith("line 1: ")
    assert reason in found["reasons"][0]


def test_profiles_are_set_replaced_and_forgotten(pipeline: settings.Settings, tmp_path: Path) -> None:
    known = ready_clip("abcdefghijk")
    merge([annotation(known, f"rater-{n}", arousal=n) for n in range(5)])
    path = tmp_path / "profiles.csv"
    path.write_text(
        "annotator_id,gender,first_language\n" + "".join(f"rater-{n},female,de\n" for n in range(5)) + "nobody,male,\n"
    )
    assert profiles.import_file(path) == {
        "profiles": 5, "forgotten": 0, "rejected": 1, "reasons": ["line 7: no annotator nobody"]
    }  # fmt: skip
    assert bias.votes_by_annotator("gender")[0]["arousal_mean"] == 2.0
    again = [{"annotator_id": "rater-0"}, {"annotator_id": "rater-1", "gender": "male"}]
    assert profiles.import_file(file_of(tmp_path / "again.jsonl", again)) == {
        "profiles": 1,
        "forgotten": 1,
        "rejected": 0,
    }
    found = sql("select annotator_id, gender, first_language from catalog.annotator_profile order by annotator_id")
    assert [tuple(row.values()) for row in found][:2] == [("rater-1", "male", None), ("rater-2", "female", "de")]
    assert len(found) == 4


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("p.jsonl", b'{"annotator_id": "a", "gender": "m"}', "gender"),
        ("p.jsonl", b'{"gender": "male"}', "annotator_id: Field required"),
        ("p.jsonl", b'{"annotator_id": "a", "first_language": "german"}', "first_language"),
        ("p.jsonl", b'{"annotator_id": "' + b"a" * 100_001, "a line of over 100000 bytes"),
        ("p.jsonl", b"\xff\xfe", "no JSON"),
        ("p.csv", b"", "an empty file"),
        ("p.csv", b"name,gender\na,male\n", "not made of the names annotator_id, age_group"),
        ("p.csv", b"annotator_id,gender\na\n", "1 fields where there are 2"),
        ("p.csv", b"annotator_id,gender\n\xe9,male\n", "not UTF-8"),
    ],
)
def test_what_is_no_profile_is_refused(
    pipeline: settings.Settings, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    found = profiles.import_file(tmp_path / name)
    assert (found["profiles"], found["rejected"]) == (0, 1)
    assert reason in found["reasons"][0]


def test_a_name_without_a_form_is_refused(pipeline: settings.Settings, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a \.jsonl or a \.csv file is wanted"):
        profiles.import_file(file_of(tmp_path / "p.xlsx", []))
