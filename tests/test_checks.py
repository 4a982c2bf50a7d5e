import contextlib
import json
import re
from typing import Any
from uuid import uuid4

import pytest

from include import catalog, checks, claims, release, settings, store, suites
from tests.conftest import agreed, annotation, believe, merge, ready_clip, sql

VERSION = "2026.01.01"
RESULT = {"suite", "severity", "expectation", "expected", "success", "observed", "ids"}
N_CHECKS = sum(len(suite.expectations) for suite in suites.suites())


@pytest.fixture
def frozen(pipeline: settings.Settings) -> list[str]:
    """Ids of three clips that stand in a frozen release, two of them of one speaker group."""
    clip_ids = [ready_clip("abcdefghijk", 0), ready_clip("abcdefghijk", 5000), ready_clip("bcdefghijkl")]
    agreed(clip_ids, emotions=["happy", "sad"])
    release.freeze(VERSION)
    return clip_ids


def corrupt(clip_id: str, **said: Any) -> None:
    """Let the release, and no other, say something else of a clip."""
    other = uuid4().hex
    sql(
        "insert into catalog.sample select clip_id, %s, sample || %s from catalog.released_clip"
        " where version = %s and clip_id = %s",
        *(other, json.dumps(said), VERSION, clip_id),
    )
    sql(
        "update catalog.release_clip set sample_sha256 = %s where version = %s and clip_id = %s",
        other,
        VERSION,
        clip_id,
    )


def failure() -> str:
    with pytest.raises(checks.CheckFailed) as caught:
        checks.check_release(VERSION)
    return str(caught.value)


def test_a_good_release_passes_and_its_results_are_kept(frozen: list[str]) -> None:
    counts = checks.check_release(VERSION)
    assert counts == {"passed": N_CHECKS - 1, "warnings": 1, "failed": 0}
    kept = store.read_bytes(f"releases/{VERSION}/checks/results.json")
    results = json.loads(kept)
    assert len(results) == N_CHECKS
    assert [r["expectation"] for r in results if not r["success"]] == ["every clip has a transcription"]
    assert {r["severity"] for r in results} == {"critical", "warning"}
    assert sql("select count(*) as n from catalog.check_result where is_success") == [{"n": N_CHECKS - 1}]
    assert all(result.keys() == RESULT for result in results)
    checks.check_release(VERSION)
    assert store.read_bytes(f"releases/{VERSION}/checks/results.json") == kept


@pytest.mark.parametrize(
    ("said", "expectation"),
    [
        ({"duration_s": 31}, 'expect_column_values_to_be_between {"column": "duration_s"'),
        ({"duration_s": 0.05}, 'expect_column_values_to_be_between {"column": "duration_s"'),
        ({"duration_s": None}, 'expect_column_values_to_not_be_null {"column": "duration_s"}'),
        ({"sample_rate_hz": 16_000}, 'expect_column_values_to_be_in_set {"column": "sample_rate_hz"'),
        ({"sample_rate_hz": None}, 'expect_column_values_to_not_be_null {"column": "sample_rate_hz"}'),
        ({"n_raters": 2}, 'expect_column_values_to_be_between {"column": "n_raters"'),
        ({"n_raters": None}, 'expect_column_values_to_not_be_null {"column": "n_raters"}'),
        ({"arousal_mean": 10.5}, 'expect_column_values_to_be_between {"column": "arousal_mean"'),
        ({"valence_mean": -5.5}, 'expect_column_values_to_be_between {"column": "valence_mean"'),
        ({"emotion_soft": {"a": 0.5}}, 'expect_column_values_to_be_between {"column": "emotion_soft_sum"'),
        ({"is_held": True}, 'expect_column_values_to_be_in_set {"column": "is_held"'),
        ({"is_held": None}, 'expect_column_values_to_not_be_null {"column": "is_held"}'),
        ({"licence": None}, 'expect_column_values_to_not_be_null {"column": "licence"}'),
        ({"speaker_group": None}, 'expect_column_values_to_not_be_null {"column": "speaker_group"}'),
    ],
)
def test_a_corrupted_clip_fails_one_check_that_names_it(frozen: list[str], said: Any, expectation: str) -> None:
    corrupt(frozen[1], **said)
    message = failure()
    assert f"release {VERSION} fails 1 of {N_CHECKS} checks" in message
    assert f"FAILED {expectation}" in message
    assert '"unexpected_count": 1}, e.g. ' + frozen[1] in message
    results = json.loads(store.read_bytes(f"releases/{VERSION}/checks/results.json"))
    assert [result["ids"] for result in results if not result["success"] and result["severity"] == "critical"] == [
        [frozen[1]]
    ]


def test_a_clip_id_that_no_reader_can_take_fails(frozen: list[str]) -> None:
    sql("update catalog.sample set clip_id = 'a.b' where clip_id = %s", frozen[0])
    sql("update catalog.release_clip set clip_id = 'a.b' where clip_id = %s", frozen[0])
    assert 'FAILED expect_column_values_to_match_regex {"column": "clip_id"' in failure()


def test_a_speaker_group_in_two_splits_fails(frozen: list[str]) -> None:
    splits = sql("select split from catalog.release_clip where clip_id = %s", frozen[0])
    other = "test" if splits[0]["split"] == "train" else "train"
    sql("update catalog.release_clip set split = %s where clip_id = %s", other, frozen[0])
    message = failure()
    assert "FAILED no speaker group stands in two splits" in message
    assert f"e.g. {frozen[0]}, {frozen[1]}" in message


def test_a_clip_taken_down_since_the_freeze_fails(frozen: list[str]) -> None:
    sql("update catalog.clip set state = 'blocked', reason = 'taken down' where clip_id = %s", frozen[2])
    message = failure()
    assert "FAILED nothing taken down or rejected meanwhile is released" in message
    assert f"e.g. {frozen[2]}" in message


def test_at_most_ten_clips_are_named(frozen: list[str]) -> None:
    agreed([ready_clip("cdefghijklm", n * 1000) for n in range(12)])
    release.freeze(VERSION)
    sql("""update catalog.sample set sample = sample || '{"n_raters": 1}'""")
    message = failure()
    assert '"unexpected_count": 15' in message
    assert message.count("youtube-") == checks.MAX_EXAMPLES


def test_a_release_of_nothing_fails(pipeline: settings.Settings) -> None:
    release.freeze(VERSION)
    message = failure()
    assert 'FAILED expect_table_row_count_to_be_between {"min_value": 1' in message
    assert '"observed_value": 0' in message
    assert "fails 1 of" in message


def test_only_the_release_asked_for_is_checked(frozen: list[str]) -> None:
    corrupt(frozen[0], n_raters=1)
    agreed([ready_clip("cdefghijklm")])
    release.freeze("2026.01.02")
    assert checks.check_release("2026.01.02")["failed"] == 0


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"duration_s": "long"}, "invalid input syntax for type double precision"),
        ({"n_raters": 3.5}, "invalid input syntax for type integer"),
        ({"is_held": "perhaps"}, "invalid input syntax for type boolean"),
        ({"emotion_soft": [0.5, 0.5]}, "can only be applied to an object"),
        ({"emotion_soft": {"sad": "much"}}, "invalid input syntax for type double precision"),
        ({"emotion_plurality": "sad"}, "cannot extract elements from a scalar"),
    ],
)
def test_what_is_of_another_type_fails_the_release(frozen: list[str], said: Any, reason: str) -> None:
    corrupt(frozen[0], **said)
    message = failure()
    assert f"release {VERSION} holds what can't be read" in message
    assert reason in message
    assert sql("select 1 from pg_namespace where nspname = 'checking'") == []


def test_nothing_is_left_behind_when_the_checks_break(frozen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_validate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checks.check_release(VERSION)
    assert sql("select 1 from pg_namespace where nspname = 'checking'") == []


def test_a_table_waits_only_for_tables_that_were_begun_before() -> None:
    begun = list(checks.TABLES)
    assert all(begun.index(part) < begun.index(table) for table, parts in checks.TABLES.items() for part in parts)
    assert sorted(path.stem for path in catalog.SQL.glob("create_checking_*.sql")) == sorted(
        f"create_checking_{table}" for table in begun
    )


def test_a_table_waits_for_all_that_its_statement_reads() -> None:
    for table, parts in checks.TABLES.items():
        text = catalog.statement(f"create_checking_{table}")
        if table == "group_share":
            text += catalog.statement("insert_release_groups")
        assert set(re.findall(r"(?:from|join) checking\.(\w+)", text)) == set(parts)


def test_a_suite_waits_for_all_that_it_reads() -> None:
    for suite in suites.suites():
        text = " ".join(getattr(expectation, "unexpected_rows_query", "") for expectation in suite.expectations)
        read = {suite.table, *re.findall(r"(?:from|join) checking\.(\w+)", text)}
        assert read | {suite.digest or suite.table} == set(suite.tables) <= set(checks.TABLES)


def test_many_rows_are_decided_by_few(frozen: list[str]) -> None:
    agreed([ready_clip("cdefghijklm", n * 1000) for n in range(12)])
    with checks._checking(VERSION) as wait_for:
        wait_for("annotation_digest")
        assert sql("select count(*) as n from checking.annotation") == [{"n": 45}]
        assert sql("select arousal, valence from checking.annotation_digest") == [{"arousal": 5, "valence": 0}] * 2
        assert sql("select count(*) as n from checking.clip") == [{"n": 15}]
        assert sql("select count(*) as n from checking.clip_digest") == [{"n": 1}]


def test_a_miscounted_label_stops_the_release(frozen: list[str]) -> None:
    sql("update catalog.label set n_raters = 9 where clip_id = %s", frozen[1])
    message = failure()
    assert "FAILED a label's raters are the annotators whose word counts" in message
    assert f"e.g. {frozen[1]}" in message


def test_an_address_in_a_text_stops_the_release(frozen: list[str]) -> None:
    corrupt(frozen[1], title="ask jane.doe@example.org")
    assert "FAILED no text holds an e-mail address" in failure()


@pytest.mark.parametrize(
    ("suite", "expectation", "damage"),
    [
        ("sources", "expect_column_values_to_match_regex",
         "update catalog.source set url = 'file:///etc/passwd' where source_id = 'youtube:bcdefghijkl'"
         " returning source_id"),
        ("sources", "no address is harvested as two sources",
         "update catalog.source set url = (select url from catalog.source where source_id = 'youtube:bcdefghijkl')"
         " where source_id = 'youtube:abcdefghijk' returning source_id"),
        ("sources", "every source has a licence, be it 'unknown'",
         "update catalog.source set licence = '' where source_id = 'youtube:bcdefghijkl' returning source_id"),
        ("sources", "a clip, a reason or a next step came of every source",
         "insert into catalog.source (source_id, url, speaker_group) values ('site:lost', 'http://x.example', 'x')"
         " returning source_id"),
        ("sources", "a source was found in the last 30 days",
         "update catalog.source set first_seen_at = now() - interval '31 days' returning null"),
        ("clips", "a clip's id ends in its times, so that no two clips are one",
         "update catalog.clip set start_ms = 1, duration_s = 0.499"
         " where clip_id = 'youtube-abcdefghijk-0-500' returning clip_id"),
        ("clips", "no cut lies more than 0.2 s outside the times that were given",
         "update catalog.clip set audio_start_ms = 0, audio_end_ms = 710, duration_s = 0.71"
         " where clip_id = 'youtube-abcdefghijk-0-500' returning clip_id"),
        ("clips", "a ready clip is as long as its times say, to 0.25 s",
         "update catalog.clip set duration_s = 0.2 where clip_id = 'youtube-abcdefghijk-0-500' returning clip_id"),
        ("annotations", "expect_column_values_to_be_between",
         "alter table catalog.annotation drop constraint annotation_arousal_check;"
         "update catalog.annotation set arousal = 11 where annotation_id = (select min(annotation_id)"
         " from catalog.annotation) returning annotation_id"),
        ("annotations", "expect_column_values_to_be_between",
         "alter table catalog.annotation drop constraint annotation_arousal_check;"
         "update catalog.annotation set arousal = -1 where annotation_id = (select max(annotation_id)"
         " from catalog.annotation) returning annotation_id"),
        ("annotations", "expect_column_values_to_be_between",
         "alter table catalog.annotation drop constraint annotation_valence_check;"
         "update catalog.annotation set valence = -6 where annotation_id = (select min(annotation_id)"
         " from catalog.annotation) returning annotation_id"),
        ("annotations", "expect_column_values_to_be_between",
         "alter table catalog.annotation drop constraint annotation_valence_check;"
         "update catalog.annotation set valence = 6 where annotation_id = (select max(annotation_id)"
         " from catalog.annotation) returning annotation_id"),
        ("annotations", "no annotation was submitted a day after now",
         "update catalog.annotation set submitted_at = now() + interval '3 days' where annotation_id ="
         " (select max(annotation_id) from catalog.annotation) returning annotation_id"),
        ("annotations", "an annotation was merged in the last 30 days",
         "update catalog.annotation set merged_at = now() - interval '31 days' returning null"),
        ("labels", "a label's raters are the annotators whose word counts",
         "update catalog.label set n_raters = 4 where clip_id = 'youtube-abcdefghijk-0-500' returning clip_id"),
        ("labels", "a label's raters are the annotators whose word counts",
         "delete from catalog.label where clip_id = 'youtube-abcdefghijk-0-500' returning clip_id"),
        ("sums", "every input is accounted for",
         "update catalog.label set n_raters = 4 where clip_id = 'youtube-abcdefghijk-0-500' returning"
         " 'annotations in labels, superseded, withdrawn or of blocked annotators: 9 in, 10 accounted for'"),
        ("sums", "every input is accounted for",
         "update catalog.release_clip set position = null where clip_id = 'youtube-abcdefghijk-0-500' returning"
         " 'frozen clips with a place in a shard: 3 in, 2 accounted for'"),
        ("sums", "every input is accounted for",
         "insert into catalog.release_link select version, clip_id, sample_sha256 from catalog.release_clip"
         " where clip_id = 'youtube-abcdefghijk-0-500' returning"
         " 'frozen clips and links, each clip once: 4 in, 3 accounted for'"),
        ("release", "no two clips are the same audio",
         "update catalog.sample set sample = sample || (select jsonb_build_object('audio_sha256', audio_sha256)"
         " from catalog.release_clip where clip_id = 'youtube-abcdefghijk-0-500')"
         " where clip_id = 'youtube-bcdefghijkl-0-500'"
         " returning clip_id"),
        ("release", "raters of at least half of the clips agree on an emotion family",
         """update catalog.sample set sample = sample || '{"emotion_consensus": ["no_agreement"]}'"""
         " returning clip_id"),
    ],
)  # fmt: skip
def test_each_suite_finds_what_is_wrong_and_names_it(
    frozen: list[str], suite: str, expectation: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    *before, last = damage.split(";")
    for statement in before:
        sql(statement)
    damaged = next(iter(sql(last)[0].values()))
    caplog.set_level("INFO")
    with contextlib.suppress(checks.CheckFailed):
        checks.check_release(VERSION)
    found = [
        result
        for result in json.loads(store.read_bytes(f"releases/{VERSION}/checks/results.json"))
        if (result["suite"], result["expectation"], result["success"]) == (suite, expectation, False)
    ]
    assert len(found) == 1
    assert found[0]["observed"]
    line = checks.describe(found[0])
    assert line in caplog.text
    assert damaged is None or damaged in line


def test_withdrawn_and_blocked_votes_are_accounted_for(frozen: list[str]) -> None:
    merge([annotation(frozen[0], "rater-0", retracted=True), annotation(frozen[0], "rater-1")])
    merge([annotation(clip_id, "rater-3") for clip_id in frozen])
    believe("rater-3", state="blocked")
    merge([annotation("youtube-abcdefghijk-0-500", "rater-4"), annotation("youtube-notyetknown-0-500", "rater-4")])
    release.freeze(VERSION)
    assert checks.check_release(VERSION)["failed"] == 0


def test_drift_against_the_last_release_stops_it_unless_allowed(pipeline: settings.Settings) -> None:
    clip_ids = [ready_clip(f"video{n:06}", duration_s=0.1) for n in range(suites.MIN_CLIPS_TO_COMPARE)]
    merge(
        [
            annotation(clip_id, f"rater-{rater}", gender="female", arousal=n % 11)
            for n, clip_id in enumerate(clip_ids)
            for rater in range(3)
        ]
    )
    release.freeze(VERSION)
    assert checks.check_release(VERSION)["failed"] == 0
    sql("update catalog.release set state = 'published' where version = %s", VERSION)
    claims.drop(VERSION)
    merge(
        [
            annotation(clip_id, f"rater-{rater}", gender="female" if n < 40 else "male", arousal=n * (rater + 1) % 11)
            for n, clip_id in enumerate(clip_ids)
            for rater in range(3)
        ]
    )
    release.freeze("2026.01.02")
    with pytest.raises(checks.CheckFailed) as caught:
        checks.check_release("2026.01.02")
    message = str(caught.value)
    assert "every group keeps 50 % or more of its share in the last release" in message
    assert "e.g. gender female: 40.0 % of the clips after 100.0 %" in message
    assert "Krippendorff's alpha of no field is more than 0.15 below the last release's" in message
    assert "e.g. arousal: " in message
    assert "after 1.000" in message
    assert checks.check_release("2026.01.02", is_drift_allowed=True)["failed"] == 0


def test_the_report_is_a_site_whose_bytes_hang_on_the_results_alone(frozen: list[str]) -> None:
    checks.check_release(VERSION)
    root = f"releases/{VERSION}/checks"
    pages = {path: store.read_bytes(path) for path in store.paths_below(root)}
    index = pages[f"{root}/index.html"].decode()
    for suite in suites.suites():
        page = f"validations/{suite.name}/{VERSION}/20260101T000000.000000Z/catalog.html"
        assert page in index
        assert suite.name in pages[f"{root}/{page}"].decode()
    assert "every clip has a transcription" in index
    assert frozen[0] in index
    assert '<td class="warning">warning' in index
    store.write_bytes(f"{root}/of-an-earlier-try.html", b"old")
    checks.check_release(VERSION)
    assert {path: store.read_bytes(path) for path in store.paths_below(root)} == pages


def test_a_release_with_a_manifest_keeps_the_results_that_it_lists(frozen: list[str]) -> None:
    checks.check_release(VERSION)
    root = f"releases/{VERSION}/checks"
    kept = {path: store.read_bytes(path) for path in store.paths_below(root)}
    store.write_bytes(f"releases/{VERSION}/manifest.json", b"{}")
    corrupt(frozen[0], n_raters=1)
    assert "FAILED" in failure()
    checks.keep_readback(VERSION, [frozen[0]])
    assert {path: store.read_bytes(path) for path in store.paths_below(root)} == kept


def test_links_alone_are_a_release_and_are_checked(pipeline: settings.Settings) -> None:
    clip_ids = [ready_clip("abcdefghijk"), ready_clip("bcdefghijkl")]
    agreed(clip_ids)
    sql("update catalog.source set licence = 'All rights reserved'")
    assert release.build(VERSION)["n_clips"] == 0
    described = release.read_manifest(VERSION)
    assert (described["n_links"], described["splits"]) == (2, {})
    assert release.verify(VERSION)["shards"] == 0
    sql("update catalog.source set title = 'Another title'")
    release.freeze("2026.01.02")
    sql("update catalog.sample set sample = sample || '{\"is_held\": true}' where clip_id = %s", clip_ids[1])
    with pytest.raises(checks.CheckFailed, match=f"is_held.*{clip_ids[1]}"):
        checks.check_release("2026.01.02")


def test_a_release_that_lost_all_clips_is_stopped(pipeline: settings.Settings) -> None:
    agreed([ready_clip("abcdefghijk")])
    assert release.build(VERSION)["n_clips"] == 1
    sql("update catalog.clip set state = 'blocked', reason = 'taken down'")
    with pytest.raises(checks.CheckFailed, match="expect_table_row_count_to_be_between"):
        release.build("2026.01.02")
    assert release.latest_version() == VERSION
    assert list(release.published_versions()) == [VERSION]
