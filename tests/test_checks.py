import json
from typing import Any

import pytest

from include import checks, release, settings, store
from tests.conftest import agreed, ready_clip, sql

VERSION = "2026.01.01"
RESULT = {"suite", "severity", "expectation", "expected", "success", "observed", "clip_ids"}
N_CHECKS = sum(len(suite.expectations) for suite in checks.suites())


@pytest.fixture
def frozen(pipeline: settings.Settings) -> list[str]:
    """Ids of three clips that stand in a frozen release, two of them of one speaker group."""
    clip_ids = [ready_clip("abcdefghijk", 0), ready_clip("abcdefghijk", 5000), ready_clip("bcdefghijkl")]
    agreed(clip_ids, emotions=["happy", "sad"])
    release.freeze(VERSION)
    return clip_ids


def corrupt(clip_id: str, **said: Any) -> None:
    sql("update catalog.release_clip set sample = sample || %s::jsonb where clip_id = %s", json.dumps(said), clip_id)


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
    assert [result["clip_ids"] for result in results if not result["success"] and result["severity"] == "critical"] == [
        [frozen[1]]
    ]


def test_a_clip_id_that_no_reader_can_take_fails(frozen: list[str]) -> None:
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
    sql("""update catalog.release_clip set sample = sample || '{"n_raters": 1}'""")
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


def test_a_check_that_breaks_fails_the_release(frozen: list[str]) -> None:
    corrupt(frozen[0], duration_s="long")
    message = failure()
    assert "invalid input syntax for type double precision" in message


def test_a_miscounted_label_stops_the_release(frozen: list[str]) -> None:
    sql("update catalog.label set n_raters = 9 where clip_id = %s", frozen[1])
    message = failure()
    assert "FAILED a label's raters are the annotators whose word counts" in message
    assert f"e.g. {frozen[1]}" in message


def test_an_address_in_a_text_stops_the_release(frozen: list[str]) -> None:
    corrupt(frozen[1], title="ask jane.doe@example.org")
    assert "FAILED no text holds an e-mail address" in failure()
