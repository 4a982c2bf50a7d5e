import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from include import __main__ as cli
from include import checks, settings, store
from tests.conftest import agreed, annotation, jsonl, ready_clip, sql

CLIP = "youtube-abcdefghijk-0-500"
Oe = Callable[..., Result]


@pytest.fixture
def oe(pipeline: settings.Settings, quick: None) -> Oe:
    """Call a verb on the test's catalog and store, as named on the command line alone."""

    def run(*arguments: str) -> Result:
        addresses = ["--catalog", str(pipeline.catalog_url), "--store", pipeline.store_url]
        result = CliRunner().invoke(cli.main, [*addresses, "--json", *arguments])
        settings.configure(**pipeline.model_dump())
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def form(path: Path, *rows: Any) -> str:
    path.write_bytes(jsonl(list(rows)))
    return str(path)


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += verbs(command, (*path, name))
    return found


@pytest.mark.parametrize("verb", [(), *verbs(cli.main)], ids=" ".join)
def test_every_verb_has_help(verb: tuple[str, ...]) -> None:
    command: click.Command = cli.main
    for name in verb:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    assert command.help
    result = CliRunner().invoke(cli.main, [*verb, "-h"])
    assert result.exit_code == 0
    assert command.help.split("\n")[0] in " ".join(result.output.split())
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"], ["status", "--loud"], ["annotations", "check"], ["annotations", "merge", "/no/such/file"],
        ["transcode", "--limit", "0"], ["--catalog", "mysql://x/y", "status"], ["--store", "/tmp/x", "status"],
        ["clip", "show"], ["release", "diff", "2026.01.01"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_ends_with_two(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.output


def test_status_is_the_funnel(oe: Oe) -> None:
    agreed([ready_clip("abcdefghijk")])
    result = oe("status")
    assert result.exit_code == 0
    assert json.loads(result.output)["funnel"] == {
        "sources": 1, "candidates": 1, "ready": 1, "annotated": 1, "released": 0
    }  # fmt: skip


def test_check_says_what_would_be_refused_and_changes_nothing(oe: Oe, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    good = form(tmp_path / "form.jsonl", annotation(CLIP, "ada"))
    bad = form(tmp_path / "b" / "form.jsonl", annotation(CLIP, "ada", arousal=11), annotation(CLIP, "bo"))
    result = oe("annotations", "check", good)
    expected = {"accepted": 1, "repeated": 0, "rejected": 0, "waiting": 1, "reasons": []}
    assert (result.exit_code, json.loads(result.output)) == (0, {good: expected})
    result = oe("annotations", "check", good, bad)
    assert result.exit_code == 1
    assert json.loads(result.output)[bad] == {
        "accepted": 1,
        "repeated": 0,
        "rejected": 1,
        "waiting": 1,
        "reasons": ["line 1: arousal: Input should be less than or equal to 10 ('11')"],
    }
    assert sql("select * from catalog.annotation") == []


def test_merge_says_what_it_refused(oe: Oe, tmp_path: Path) -> None:
    good = form(tmp_path / "good.jsonl", annotation(CLIP, "ada"))
    result = oe("annotations", "merge", good)
    merged = {"accepted": 1, "repeated": 0, "rejected": 0, "waiting": 1, "labels": 1}
    assert (result.exit_code, json.loads(result.output)) == (0, merged)
    bad = form(tmp_path / "bad.jsonl", "no row")
    result = oe("annotations", "merge", good, bad, form(tmp_path / "empty.jsonl"))
    assert result.exit_code == 1
    assert json.loads(result.output) == {
        "accepted": 0, "repeated": 1, "rejected": 1, "labels": 0,
        "reasons": [f"{bad}, line 1: no JSON: Expecting value: line 1 column 1 (char 0)"],
    }  # fmt: skip


def test_refused_rows_are_read_as_they_stood(oe: Oe, tmp_path: Path) -> None:
    bad = annotation(CLIP, "ada", arousal=11)
    oe("annotations", "merge", form(tmp_path / "one.jsonl", bad, "no row"), form(tmp_path / "two.jsonl", "neither"))
    found = json.loads(oe("annotations", "rejected", "--file", "one.jsonl").output)
    assert [(row["line"], row["raw"]) for row in found] == [(1, json.dumps(bad)), (2, "no row")]
    assert found[0]["reason"].startswith("arousal: ")
    everything = json.loads(oe("annotations", "rejected").output)
    assert [row["file"] for row in everything] == ["two.jsonl", "one.jsonl", "one.jsonl"]
    assert len(json.loads(oe("annotations", "rejected", "--limit", "1").output)) == 1
    assert json.loads(oe("annotations", "rejected", "--file", "three.jsonl").output) == []


def test_labels_are_exported(oe: Oe, tmp_path: Path) -> None:
    agreed([CLIP])
    out = tmp_path / "labels.parquet"
    result = oe("labels", "export", str(out))
    assert (result.exit_code, json.loads(result.output)) == (0, {"labels": 1, "file": str(out)})
    assert pq.read_table(out)["clip_id"].to_pylist() == [CLIP]


def test_agreement_is_told_by_field(oe: Oe) -> None:
    agreed(["youtube-abcdefghijk-0-500"], n_raters=3, arousal=1)
    agreed(["youtube-bcdefghijkl-0-500"], n_raters=2, arousal=9)
    result = oe("labels", "agreement")
    found = json.loads(result.output)
    assert result.exit_code == 0
    assert found["arousal"] == {"alpha": 1.0, "level": "interval", "n_clips": 2, "n_ratings": 5}
    assert found["gender"] == {"alpha": None, "level": "nominal", "n_clips": 0, "n_ratings": 0}
    assert list(found) == ["emotions", "arousal", "valence", "age_group", "gender", "accent", "audio_quality"]


def test_a_held_clip_is_decided_on(oe: Oe) -> None:
    agreed([CLIP], n_raters=2, reports=["offensive"])
    assert json.loads(oe("labels", "decide", CLIP, "release", "--reason", "a joke").output) == {CLIP: "release"}
    assert sql("select is_held from catalog.label") == [{"is_held": False}]
    assert oe("labels", "decide", CLIP, "release").exit_code == 2
    result = oe("labels", "decide", "nowhere", "hold", "--reason", "x")
    assert (result.exit_code, json.loads(result.output)) == (1, {"refused": "no label of a clip nowhere"})


def test_a_clip_is_shown_with_all_that_is_known(oe: Oe) -> None:
    agreed([ready_clip("abcdefghijk")], n_raters=2)
    oe("release", "build", "--version", "2026.01.01")
    result = oe("clip", "show", CLIP)
    found = json.loads(result.output)
    assert (result.exit_code, found["state"], found["label"]["n_raters"]) == (0, "ready", 2)
    assert len(found["annotations"]) == 2
    result = oe("clip", "show", "youtube-nowhere-0-1")
    assert (result.exit_code, json.loads(result.output)) == (1, {"refused": "no clip youtube-nowhere-0-1"})


def test_a_release_is_built_verified_promoted_and_compared(oe: Oe, tmp_path: Path) -> None:
    agreed([ready_clip("abcdefghijk")])
    result = oe("release", "build", "--version", "2026.01.01")
    assert (result.exit_code, json.loads(result.output)["n_clips"]) == (0, 1)
    agreed([ready_clip("bcdefghijkl")])
    assert oe("release", "build", "--version", "2026.01.02").exit_code == 0
    assert json.loads(oe("release", "diff", "2026.01.01", "2026.01.02").output)["added"] == [
        "youtube-bcdefghijkl-0-500"
    ]
    assert oe("release", "promote", "2026.01.01").exit_code == 0
    assert json.loads(store.read_bytes("releases/latest.json"))["version"] == "2026.01.01"
    assert json.loads(oe("release", "verify", "2026.01.02").output)["samples"] == 2
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "store/releases/2026.01.02", copy)
    assert oe("release", "verify", str(copy)).exit_code == 0
    (copy / "README.md").unlink()
    result = oe("release", "verify", str(copy))
    assert (result.exit_code, json.loads(result.output)) == (1, {"refused": "README.md: missing"})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["verify", "2026.01.01"], "there is no release"),
        (["verify", "/no/such/folder"], "there is no release"),
        (["promote", "2026.01.01"], "there is no release"),
        (["promote", "newest"], "is no version"),
        (["build", "--version", "newest"], "is no version"),
        (["diff", "2026.01.01", "2026.01.02"], "there is no release"),
    ],
)
def test_what_can_not_be_done_is_refused_with_the_reason(oe: Oe, arguments: list[str], reason: str) -> None:
    result = oe("release", *arguments)
    assert result.exit_code == 1
    assert reason in json.loads(result.output)["refused"]


def test_drift_is_allowed_if_it_is_asked_for(oe: Oe, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def check_release(version: str, *, is_drift_allowed: bool) -> dict[str, int]:
        asked.append(is_drift_allowed)
        raise checks.CheckFailed("stopped here")

    monkeypatch.setattr(checks, "check_release", check_release)
    agreed([ready_clip("abcdefghijk")])
    oe("release", "build")
    oe("release", "build", "--allow-drift")
    assert asked == [False, True]


def test_a_failed_check_is_refused(oe: Oe, monkeypatch: pytest.MonkeyPatch) -> None:
    def check_release(version: str, **_: Any) -> dict[str, int]:
        raise checks.CheckFailed("release fails 1 of 17 checks")

    monkeypatch.setattr(checks, "check_release", check_release)
    result = oe("release", "build")
    assert (result.exit_code, json.loads(result.output)) == (1, {"refused": "release fails 1 of 17 checks"})


def test_without_json_the_result_is_for_people(pipeline: settings.Settings, tmp_path: Path) -> None:
    path = form(tmp_path / "a.jsonl", "x")
    result = CliRunner().invoke(cli.main, ["annotations", "check", path])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"{path}:",
        "  accepted  0",
        "  repeated  0",
        "  rejected  1",
        "  reasons:",
        "    line 1: no JSON: Expecting value: line 1 column 1 (char 0)",
    ]


def test_a_catalog_that_can_not_be_reached_is_named(pipeline: settings.Settings) -> None:
    result = CliRunner().invoke(cli.main, ["--catalog", "postgresql://127.0.0.1:1/x", "status"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: the catalog: connection failed")


def test_annotators_are_listed_shown_and_overruled(oe: Oe, pipeline: settings.Settings) -> None:
    agreed([CLIP], n_raters=2)
    assert json.loads(oe("annotators", "overrule", "rater-1", "--state", "blocked", "--reason", "asked to").output)
    listed = json.loads(oe("annotators", "list").output)
    assert [(row["annotator_id"], row["state"], row["decided"]) for row in listed] == [
        ("rater-1", "blocked", "asked to"), ("rater-0", "new", None)
    ]  # fmt: skip
    assert json.loads(oe("annotators", "list", "--state", "watched").output) == []
    assert len(json.loads(oe("annotators", "list", "--limit", "1").output)) == 1
    shown = json.loads(oe("annotators", "show", "rater-1").output)[0]
    assert (shown["evidence"]["n_annotations"], shown["overrule"]["reason"]) == (1, "asked to")
    assert json.loads(oe("annotators", "overrule", "rater-1").output)[0]["state"] == "new"
    assert oe("annotators", "overrule", "rater-1", "--state", "blocked").exit_code == 2
    for arguments in (["show", "nobody"], ["overrule", "nobody", "--weight", "1", "--reason", "x"]):
        result = oe("annotators", *arguments)
        assert (result.exit_code, json.loads(result.output)) == (1, {"refused": "no annotator nobody"})
    plain = CliRunner().invoke(cli.main, ["--catalog", str(pipeline.catalog_url), "annotators", "list"])
    assert plain.output.splitlines() == [
        "annotator_id  state  weight  n_annotations  signals  decided",
        "rater-0       new    1.0     1              -        -",
        "rater-1       new    1.0     1              -        -",
    ]


def test_gold_answers_and_profiles_are_taken_from_files(oe: Oe, tmp_path: Path) -> None:
    agreed([CLIP], n_raters=2)
    path = form(tmp_path / "gold.jsonl", {"clip_id": CLIP, "arousal_min": 7}, {"clip_id": CLIP})
    result = oe("gold", "import", path)
    assert result.exit_code == 1
    assert json.loads(result.output)["reasons"] == [
        "line 2: it says no answer: families, or a bound of arousal or valence"
    ]
    assert json.loads(oe("gold", "list").output)[0]["n_annotators"] == 2
    assert json.loads(oe("gold", "remove", CLIP).output) == {CLIP: "removed"}
    assert oe("gold", "remove", CLIP).exit_code == 1
    path = form(tmp_path / "people.jsonl", {"annotator_id": "rater-0", "age_group": "20-39"})
    assert json.loads(oe("annotators", "profiles", path).output) == {"profiles": 1, "forgotten": 0, "rejected": 0}
    assert oe("annotators", "profiles", form(tmp_path / "people.txt")).exit_code == 2


# The script


def test_the_script_runs_the_verbs_from_anywhere(pipeline: settings.Settings, tmp_path: Path) -> None:
    agreed([CLIP])
    command = [settings.ROOT / "oe", "--catalog", str(pipeline.catalog_url), "--store", pipeline.store_url, "--json"]
    done = subprocess.run([*command, "labels", "export", "out.parquet"], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout) == {"labels": 1, "file": "out.parquet"}
    assert (tmp_path / "out.parquet").exists()


def test_without_a_venv_the_script_says_make_setup(tmp_path: Path) -> None:
    shutil.copy(settings.ROOT / "oe", tmp_path / "oe")
    done = subprocess.run([tmp_path / "oe", "status"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"run 'make setup' in {tmp_path}" in done.stderr


def test_a_manifest_is_taken_in_and_says_what_it_refused(
    oe: Oe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include import ytdlp

    def extract(url: str, *options: Any) -> Any:
        return [{"webpage_url": url, "extractor_key": "Youtube", "id": url[-11:], "duration": 60}], []

    monkeypatch.setattr(ytdlp, "extract", extract)
    path = tmp_path / "clips.csv"
    path.write_text("-aaaaaaaaaa,0,10,laughing\n-aaaaaaaaaa,20,30,crying\nshort,1,2\n")
    result = oe("harvest", "--manifest", str(path))
    assert json.loads(result.output) == {
        "manifest_rows": 3, "new_sources": 1, "new_clips": 2, "refused": 1, "known_sources": 1,
    }  # fmt: skip
    assert result.exit_code == 1
    assert oe("harvest", "--retry", "refused").exit_code == 1
    assert oe("harvest", "--retry", "gone").exit_code == 2
    assert oe("harvest", "--retry", "due", "--manifest", str(path)).exit_code == 2
    assert json.loads(oe("transcode", "--retry", "transient").output) == {}
