"""Labels against the same rules written a second time, plainly, in Python."""

import random
import re
import statistics
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from include import catalog, column_blocks, columns, labels, settings, tally, transcripts, vocabulary
from tests.conftest import annotation, believe, merge, sql

CLIP = "youtube-abcdefghijk-0-10000"
QUALITIES = ["unusable", "poor", "average", "good", "excellent"]
CHOICES: dict[str, list[Any]] = {
    "age_group": ["20-39", "40-59", None],
    "gender": ["male", "female", "other", None],
    "accent": ["irish", "unsure", None],
    "audio_quality": [*QUALITIES, None],
    "arousal": [*range(11), None],
    "valence": [*range(-5, 6), None],
    "transcription": ["Good morning", "Good mourning", "éclair", None],
    "language": ["en", "fr", None],
    "audio_description": ["A man speaks", "Someone speaks", None],
    "video_description": ["A room", None],
}
WORDS = ["happy", "cheerful", "sad", "gloomy", "calm", "neutral", "worried"]


def random_votes(seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        annotation(
            f"youtube-abcdefghijk-{clip}-9000",
            f"rater-{rater}",
            **{name: rng.choice(values) for name, values in CHOICES.items()},
            emotions=rng.choices(WORDS, k=rng.randrange(4)),
            background_sounds=rng.sample(["music", "animals", "none"], k=rng.randrange(3)),
            reports=["broken_link"] if rng.random() < 0.2 else ["sexual"] if rng.random() < 0.05 else [],
            retracted=rng.random() < 0.1,
        )
        for clip in range(30)
        for rater in rng.sample(range(8), k=rng.randrange(1, 7))
    ]


def most(values: list[Any]) -> tuple[Any, float | None]:
    """The commonest of the values said, the first by name on a tie, and its share."""
    said = [value for value in values if value is not None]
    if not said:
        return None, None
    value, n = min(Counter(said).items(), key=lambda item: (-item[1], item[0].encode()))
    return value, n / len(said)


def expected_label(votes: list[dict[str, Any]], weight: dict[str, float]) -> dict[str, Any]:
    """The label that DESIGN.md §7 asks for."""
    families = vocabulary.load()[1]
    raters, soft, words = defaultdict(set), defaultdict(float), Counter()
    for vote in votes:
        words.update(set(vote["emotions"]))
        for family in {families[word] for word in vote["emotions"]}:
            raters[family].add(vote["annotator_id"])
            soft[family] += weight[vote["annotator_id"]]
    n_votes = {family: len(who) for family, who in raters.items()}
    label = {
        "n_raters": len(votes),
        "emotion_votes": n_votes,
        "word_votes": dict(words),
        "emotion_soft": {family: value / sum(soft.values()) for family, value in soft.items() if sum(soft.values())},
        "emotion_hard": sorted(family for family, n in n_votes.items() if n >= 2),
        "emotion_plurality": sorted(family for family, n in n_votes.items() if n == max(n_votes.values())),
        "has_agreement": any(n >= 2 for n in n_votes.values()),
    }
    for name in ("arousal", "valence"):
        said = [(vote[name], weight[vote["annotator_id"]]) for vote in votes if vote[name] is not None]
        total = sum(w for _, w in said)
        label[f"{name}_n"] = len(said)
        label[f"{name}_mean"] = statistics.fmean(v for v, _ in said) if said else None
        label[f"{name}_std"] = statistics.pstdev(v for v, _ in said) if said else None
        label[f"{name}_weighted"] = sum(v * w for v, w in said) / total if total else None
    for name in ("age_group", "gender", "accent"):
        label[f"perceived_{name}"], label[f"perceived_{name}_share"] = most([vote[name] for vote in votes])
    transcriptions = [vote["transcription"] for vote in votes if vote["transcription"]]
    label["transcription"] = most(transcriptions)[0]
    if len(transcriptions) >= 3 and 2 * max(Counter(transcriptions).values()) <= len(transcriptions):
        label["transcription"] = transcripts.consensus(transcriptions)
    choosers = [{families[word] for word in vote["emotions"]} for vote in votes if vote["emotions"]]
    label["emotion_consensus"] = (
        label["emotion_plurality"]
        if label["has_agreement"]
        else ["no_agreement"] if len(choosers) >= 2 else []
    )  # fmt: skip
    others = [
        sum(family in other for other in choosers[:n] + choosers[n + 1 :]) / (len(choosers) - 1)
        for n, chosen in enumerate(choosers)
        for family in chosen
        if len(choosers) > 1
    ]
    label["emotion_agreement"] = statistics.fmean(others) if others else None
    for name in ("language", "audio_description", "video_description"):
        label[name] = most([vote[name] for vote in votes])[0]
    ranks = sorted(QUALITIES.index(vote["audio_quality"]) for vote in votes if vote["audio_quality"])
    label["audio_quality"] = QUALITIES[statistics.median_low(ranks)] if ranks else None
    answers = [set(vote["background_sounds"]) for vote in votes if vote["background_sounds"]]
    heard = Counter(sound for answer in answers for sound in answer)
    label["background_sounds"] = sorted(sound for sound, n in heard.items() if 2 * n >= len(answers))
    reporting = [vote for vote in votes if vote["reports"]]
    label["is_held"] = len(reporting) >= 2 or any("sexual" in vote["reports"] for vote in reporting)
    return label


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_labels_are_what_the_rules_say(pipeline: settings.Settings, seed: int) -> None:
    rows = random_votes(seed)
    rng = random.Random(seed)
    weight = {f"rater-{n}": rng.choice([0, 0.1, 0.3, 0.7, 1.0, 1.7]) for n in range(8)}
    for annotator_id, value in weight.items():
        believe(annotator_id, weight=value, state="blocked" if annotator_id == "rater-5" else "new")
    merge(rows)
    by_clip: dict[str, list[dict[str, Any]]] = {row["clip_id"]: [] for row in rows}
    for row in rows:
        if not row["retracted"] and row["annotator_id"] != "rater-5":
            by_clip[row["clip_id"]].append(row)
    found = {row["clip_id"]: row for row in sql("select * from catalog.label")}
    assert found.keys() == by_clip.keys()
    for clip_id, votes in by_clip.items():
        expected = expected_label(votes, weight)
        assert set(expected) == set(found[clip_id]) - {"clip_id", "vocabulary_version"}
        for name, value in expected.items():
            nested = isinstance(value, float | dict)
            assert found[clip_id][name] == (pytest.approx(value, abs=1e-9) if nested else value), (clip_id, name)
    assert any(label["emotion_soft"] for label in found.values())


def label() -> dict[str, Any]:
    (found,) = sql("select * from catalog.label where clip_id = %s", CLIP)
    return found


def test_soft_labels_sum_to_one_and_hard_ones_need_two(pipeline: settings.Settings) -> None:
    merge([annotation(CLIP, "a", emotions=["happy", "sad"]), annotation(CLIP, "b", emotions=["cheerful"])])
    found = label()
    assert found["emotion_votes"] == {"happy_and_energetic": 2, "sad_and_despondent": 1}
    assert found["emotion_soft"] == pytest.approx({"happy_and_energetic": 2 / 3, "sad_and_despondent": 1 / 3})
    assert (found["emotion_hard"], found["emotion_plurality"]) == (["happy_and_energetic"], ["happy_and_energetic"])
    assert found["word_votes"] == {"happy": 1, "sad": 1, "cheerful": 1}
    assert found["has_agreement"]


def test_a_tie_has_several_pluralities_and_no_agreement(pipeline: settings.Settings) -> None:
    merge([annotation(CLIP, "a", emotions=["sad"]), annotation(CLIP, "b", emotions=["calm"])])
    found = label()
    assert found["emotion_plurality"] == ["calm_and_composed", "sad_and_despondent"]
    assert (found["emotion_hard"], found["has_agreement"]) == ([], False)


def test_the_standard_deviation_is_the_populations(pipeline: settings.Settings) -> None:
    merge([annotation(CLIP, "a", arousal=2), annotation(CLIP, "b", arousal=4), annotation(CLIP, "c", arousal=None)])
    assert (label()["arousal_std"], label()["arousal_mean"], label()["arousal_n"]) == (1.0, 3.0, 2)


def test_all_labels_follow_a_change_of_weights_and_states(pipeline: settings.Settings) -> None:
    merge([annotation(CLIP, "a", arousal=0, emotions=["sad"]), annotation(CLIP, "b", arousal=10, emotions=["calm"])])
    assert label()["arousal_weighted"] == 5.0
    believe("b", weight=3)
    assert labels.renew_all() == 1
    assert (label()["arousal_weighted"], label()["arousal_mean"]) == (7.5, 5.0)
    assert label()["emotion_soft"] == {"calm_and_composed": 0.75, "sad_and_despondent": 0.25}
    believe("b", state="blocked")
    labels.renew_all()
    assert (label()["n_raters"], label()["arousal_mean"], label()["emotion_soft"]) == (
        1,
        0.0,
        {"sad_and_despondent": 1},
    )


def test_labels_are_read_while_they_are_made_anew(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    merge(random_votes(3))
    before = sql("select * from catalog.label order by clip_id")
    believe("rater-1", weight=3)
    seen = []

    def made(*given: Any) -> Any:
        with catalog.connect() as connection:
            connection.execute("set local lock_timeout = '5s'")
            seen.append(connection.execute("select * from catalog.label order by clip_id").fetchall())
        return make(*given)

    make = tally.labels
    monkeypatch.setattr(tally, "labels", made)
    monkeypatch.setattr(columns, "CLIPS_AT_ONCE", 7)
    assert labels.renew_all() == len(before)
    after = sql("select * from catalog.label order by clip_id")
    assert [row["clip_id"] for row in after] == [row["clip_id"] for row in before]
    assert after != before
    assert len(seen) > labels.MAKERS
    assert all(then == before for then in seen)


def test_a_relabel_that_fails_changes_nothing_and_hinders_none(
    pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge(random_votes(3))
    before = sql("select * from catalog.label order by 1")
    believe("rater-1", weight=3)
    believed = sql("select * from catalog.annotator order by 1")

    def made(votes: Any, first: int, *given: Any) -> Any:
        if first == 14:
            raise MemoryError
        return make(votes, first, *given)

    make = tally.labels
    with monkeypatch.context() as patched:
        patched.setattr(tally, "labels", made)
        patched.setattr(columns, "CLIPS_AT_ONCE", 7)
        with pytest.raises(MemoryError):
            labels.renew_all()
    assert sql("select * from catalog.label order by 1") == before
    assert sql("select * from catalog.annotator order by 1") == believed
    labels.renew_all()
    assert sql("select * from catalog.label order by 1") != before
    assert sql("select to_regclass('catalog.label_anew') as left_over") == [{"left_over": None}]


def test_votes_of_no_weight_give_no_soft_label(pipeline: settings.Settings) -> None:
    believe("a", weight=0)
    merge([annotation(CLIP, "a", emotions=["sad"])])
    assert (label()["emotion_soft"], label()["emotion_votes"]) == ({}, {"sad_and_despondent": 1})


@pytest.mark.parametrize(
    ("reports", "is_held"),
    [
        ([], False),
        ([["offensive", "other"]], False),
        ([["offensive"], ["broken_link"]], True),
        ([["hate_speech"]], True),
        ([["sexual"]], True),
        ([["personal_data"]], True),
    ],
)
def test_two_reports_or_a_grave_one_hold_a_clip(
    pipeline: settings.Settings, reports: list[list[str]], is_held: bool
) -> None:
    merge([annotation(CLIP, "calm-one"), *(annotation(CLIP, f"r{n}", reports=r) for n, r in enumerate(reports))])
    assert label()["is_held"] is is_held


def test_a_clip_whose_votes_are_all_withdrawn_keeps_a_label_of_none(pipeline: settings.Settings) -> None:
    merge([annotation(CLIP, "a", gender="male", background_sounds=["music"])])
    merge([annotation(CLIP, "a", retracted=True)])
    found = label()
    said = {k: v for k, v in found.items() if k not in ("clip_id", "vocabulary_version") and v not in (None, [], {})}
    assert said == {"n_raters": 0, "arousal_n": 0, "valence_n": 0, "has_agreement": False, "is_held": False}


def test_the_label_table_is_exported_as_it_is(pipeline: settings.Settings, tmp_path: Path) -> None:
    merge(random_votes(4))
    n_labels = labels.export(tmp_path / "labels.parquet")
    table = pq.read_table(tmp_path / "labels.parquet").to_pylist()
    kept = sql('select * from catalog.label order by clip_id collate "C"')
    assert n_labels == len(table) == len(kept) == 30
    for row, expected in zip(table, kept, strict=True):
        for name in labels.VOTE_COLUMNS:
            assert row[name] == sorted(row[name])
            row[name] = dict(row[name])
        assert row == expected


def test_an_export_of_no_labels_has_its_columns(pipeline: settings.Settings, tmp_path: Path) -> None:
    assert labels.export(tmp_path / "labels.parquet") == 0
    assert pq.read_table(tmp_path / "labels.parquet").column_names == [
        row["column_name"]
        for row in sql(
            "select column_name::text from information_schema.columns"
            " where table_schema = 'catalog' and table_name = 'label' order by ordinal_position"
        )
    ]


def test_a_word_stands_in_one_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vocabulary.yaml"
    path.write_text("version: x\nfamilies:\n  joy: [glad]\n  calm: [glad]\n")
    monkeypatch.setattr(vocabulary, "PATH", path)
    monkeypatch.setattr(vocabulary, "_content", vocabulary._content.__wrapped__)
    with pytest.raises(ValueError, match="'glad' stands in joy and in calm"):
        vocabulary.load.__wrapped__()


def test_labels_do_not_hang_on_how_the_server_goes_about_it(pipeline: settings.Settings) -> None:
    for n in range(8):
        believe(f"rater-{n}", weight=0.1 * 1.7**n)
    merge(random_votes(5))
    before = sql("select * from catalog.label order by clip_id")
    for option in ("enable_hashagg", "enable_hashjoin", "enable_indexscan", "enable_bitmapscan"):
        database = sql("select current_database() as name")[0]["name"]
        sql(f"alter database {database} set {option} = off")
        labels.renew_all()
        assert sql("select * from catalog.label order by clip_id") == before


def test_the_clip_that_the_documentation_works_through(pipeline: settings.Settings) -> None:
    """Makes the label from the table on the page, and finds each of its figures on the page."""
    page = (settings.ROOT / "docs" / "labels.md").read_text(encoding="utf-8")
    section = page.split("## 4. One clip")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line][2:]
    assert [row[0] for row in rows] == ["ada", "bo", "cy"]
    merge([
        annotation(CLIP, who, emotions=words.split(", "), arousal=int(arousal), valence=int(valence))
        for who, _, _, _, words, arousal, valence in rows
    ])  # fmt: skip
    for who, *weights in (row[:4] for row in rows):
        sql(
            "update catalog.annotator set weight = %s, arousal_weight = %s, valence_weight = %s"
            " where annotator_id = %s",
            *(*map(float, weights), who),
        )
    with catalog.connect() as connection:
        connection.execute("create temporary table shown on commit drop as select %s::text as clip_id", [CLIP])
        labels.renew(connection, "shown")
    found = label()
    text = " ".join(section.split())
    votes = ", ".join(f"{family} {n}" for family, n in found["emotion_votes"].items())
    assert sorted(votes.split(", ")) == ["calm_and_composed 1", "happy_and_energetic 2", "sarcasm 1"]
    for vote in votes.split(", "):
        assert vote in text
    soft = sorted(found["emotion_soft"].values(), reverse=True)
    assert re.findall(r"/ 3\.7 = (\d\.\d+)", text) == [f"{value:.3f}" for value in soft]
    assert f"Hard, plurality and consensus: {', '.join(found['emotion_hard'])}." in text
    assert found["emotion_hard"] == found["emotion_plurality"] == found["emotion_consensus"]
    assert f"= {found['emotion_agreement']:.2f}." in text
    for name, places in (("Arousal", 0), ("Valence", 3)):
        line = text.split(f"- {name}:")[1].split(". -")[0]
        mean, weighted, std = (found[f"{name.lower()}_{what}"] for what in ("mean", "weighted", "std"))
        assert f"= {mean:.{places}f}; weighted" in line
        assert f"= {weighted:.{places or 2}f}; deviation" in line
        assert f"{std:.3f}" in line


@hypothesis_settings(
    max_examples=4, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000), cut=st.integers(25, 60), clips_at_once=st.integers(3, 12))
def test_a_nights_labels_are_those_of_a_full_relabel(
    pipeline: settings.Settings, seed: int, cut: int, clips_at_once: int
) -> None:
    sql("truncate catalog.annotation, catalog.label, catalog.annotator cascade")
    for n in range(8):
        believe(f"rater-{n}", weight=0.1 * 1.7**n)
    rows = random_votes(seed)
    random.Random(seed).shuffle(rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(columns, "CLIPS_AT_ONCE", clips_at_once)
        for first in range(0, len(rows), cut):
            merge(rows[first : first + cut], f"{first}.jsonl")
    by_night = sql("select * from catalog.label order by clip_id")
    labels.renew_all()
    assert sql("select * from catalog.label order by clip_id") == by_night


def test_clips_that_nobody_spoke_of_get_no_label(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    merge([annotation(CLIP, "a")])
    monkeypatch.setattr(columns, "CLIPS_AT_ONCE", 1)
    for spoken_of, n_labels in (([CLIP], 1), ([], 0)):
        with catalog.connect() as connection:
            connection.execute("create temporary table asked (clip_id text) on commit drop")
            connection.execute(
                "insert into asked select unnest(%s::text[])", [["youtube-a-0-1", *spoken_of, "youtube-z-0-1"]]
            )
            assert labels.renew(connection, "asked") == n_labels
        assert [row["clip_id"] for row in sql("select clip_id from catalog.label")] == [CLIP]


def test_what_was_said_in_one_moment_is_ordered_by_its_hash(pipeline: settings.Settings) -> None:
    said = annotation(CLIP, "ada")
    merge([{**said, "arousal": n} for n in range(11)])
    last = sql("select arousal from catalog.annotation order by annotation_id desc limit 1")[0]["arousal"]
    assert (label()["arousal_mean"], label()["n_raters"]) == (last, 1)


def test_a_table_of_many_pages_is_read_whole(pipeline: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    merge(random_votes(9))
    before = sql("select * from catalog.label order by clip_id")
    sql("truncate catalog.annotation_block")
    monkeypatch.setattr(column_blocks, "PAGES_A_BLOCK", 1)
    assert sql("select pg_relation_size('catalog.annotation') / 8192 as n")[0]["n"] > 2
    labels.renew_all()
    assert sql("select * from catalog.label order by clip_id") == before


def test_no_agreement_is_a_value(pipeline: settings.Settings) -> None:
    merge([annotation(CLIP, "a", emotions=["sad"]), annotation(CLIP, "b", emotions=["calm"])])
    assert (label()["emotion_consensus"], label()["emotion_agreement"]) == (["no_agreement"], 0.0)


def test_an_earlier_versions_words_count_as_what_they_are_today(pipeline: settings.Settings) -> None:
    old = {"vocabulary_version": "2023-12", "emotions": ["critical_or_disdainful:", "happy"]}
    assert merge([annotation(CLIP, "a", **old)])["accepted"] == 1
    assert merge([annotation(CLIP, "b", vocabulary_version="2023-12", emotions=["neutral"])])["rejected"] == 1
    found = label()
    assert found["word_votes"] == {"critical_or_disdainful": 1, "happy": 1}
    assert found["emotion_votes"] == {"sarcasm": 1, "happy_and_energetic": 1}
    assert found["vocabulary_version"] == vocabulary.load()[0]
