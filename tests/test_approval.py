import pytest
from conftest import agreed, annotation, merge, ready_clip, sql

from include import approval, checks, release, settings

FIRST, SECOND = "2026.01.01", "2026.01.02"


@pytest.fixture
def clip_ids(pipeline: settings.Settings) -> list[str]:
    """Three clips of a published release."""
    found = [ready_clip(f"video{name}", duration_s=3.6) for name in ("aaaaaa", "bbbbbb", "cccccc")]
    agreed(found, transcription="What was said.")
    release.build(FIRST)
    return found


def cells(question: str) -> dict[str, list[str]]:
    rows = [line.strip("| ").split(" | ") for line in question.splitlines() if line.startswith("|")]
    return {name: rest for name, *rest in rows[2:]}


def test_a_person_sees_what_changes_and_what_the_checks_found(clip_ids: list[str]) -> None:
    new = ready_clip("videodddddd", duration_s=3.6)
    agreed([new])
    merge([annotation(clip_ids[0], "rater-9", arousal=9)])
    sql("update catalog.label set is_held = true where clip_id = %s", clip_ids[1])
    release.freeze(SECOND)
    counts = checks.check_release(SECOND)
    said = approval.question(SECOND)
    assert f"**Release {SECOND}**: 3 clips of 3 speaker groups, 0.00 h. Against {FIRST}:" in said
    assert cells(said) == {
        "new": ["1", f"`{new}`"], "changed": ["1", f"`{clip_ids[0]}`"], "removed": ["1", f"`{clip_ids[1]}`"],
    }  # fmt: skip
    n_checks = counts["passed"] + counts["warnings"]
    assert f"**Checks**: {n_checks - 1} of {n_checks} passed; 1 warning." in said
    assert "- `WARNING every clip has a transcription" in said
    assert f"e.g. {new}`" in said


def test_the_first_release_has_nothing_to_be_compared_with(pipeline: settings.Settings) -> None:
    agreed([ready_clip("abcdefghijk")], transcription="What was said.")
    release.freeze(FIRST)
    checks.check_release(FIRST)
    said = approval.question(FIRST)
    assert "There was none before:" in said
    assert cells(said)["new"][0] == "1"
    assert "passed." in said


def test_a_strangers_text_is_shown_as_text(pipeline: settings.Settings) -> None:
    agreed([ready_clip("abcdefghijk")])
    sql("update catalog.source set url = 'javascript:`](x) <b>'")
    release.freeze(FIRST)
    checks.check_release(FIRST)
    (line,) = [line for line in approval.question(FIRST).splitlines() if "match_regex" in line]
    assert line.count("`") == 2
