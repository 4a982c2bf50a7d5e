import contextlib
import hashlib
import io
import json
import logging
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from include import annotations, audio, card, catalog, croissant, plots, release, settings, store
from tests.conftest import MEASURES, annotation, chirp, jsonl, publish_unchecked, sql

VERSION = "2026.01.01"
ROOT = f"releases/{VERSION}"
PLOTS = [
    f"plots/{name}.svg"
    for name in (
        "arousal_valence", "durations", "emotion_families", "growth", "languages", "people", "raters", "snr",
    )
]  # fmt: skip
# Channels of each split: what a hash of the name makes of them.
TRAIN, VALIDATION, TEST = "site:channel0", "site:channel8", "site:channel11"


def add_clip(name: str, group: str, raters: int = 3, *, licence: str = "unknown", language: str | None = None,
             duration_s: float = 1.0, **said: Any) -> str:  # fmt: skip
    """Make a ready, annotated clip of a recording of its own; its id."""
    source_id, clip_id = f"site:{name}", f"site-{name}-0-1000"
    pcm = (chirp(duration_s) * 32767).astype("int16")
    flac = audio.encode_flac(pcm)
    sql(
        "insert into catalog.source (source_id, url, title, speaker_group, licence, language)"
        " values (%s, %s, '<b>A title | of a stranger</b>', %s, %s, %s)",
        source_id, f"https://example.org/{name}", group, licence, language,
    )  # fmt: skip
    sql(
        "insert into catalog.clip (clip_id, source_id, start_ms, end_ms, state, audio_sha256, audio_bytes,"
        " sample_rate_hz, duration_s, measures) values (%s, %s, 0, 1000, 'ready', %s, %s, 24000, %s, %s)",
        clip_id, source_id, store.put_audio(flac), len(flac), len(pcm) / 24_000, MEASURES,
    )  # fmt: skip
    rows = [annotation(clip_id, f"rater-{n}", **said) for n in range(raters)]
    annotations.merge_stream(io.BytesIO(jsonl(rows)), "test.jsonl")
    return clip_id


def readme(version: str = VERSION) -> tuple[dict[str, Any], str]:
    """The card's header and its text."""
    _, header, body = store.read_bytes(f"releases/{version}/README.md").decode().split("---\n", 2)
    return yaml.safe_load(header), body


def table(body: str, first_column: str) -> list[list[str]]:
    """Rows of cells of the table whose header begins with `first_column`."""
    lines = body.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_column} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def code_blocks(body: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", body, re.S)


@pytest.fixture
def crowd(pipeline: settings.Settings) -> settings.Settings:
    """Eight clips: six channels of English women in train, and one clip of a rare kind in each other split."""
    in_train = [f"site:channel{n}" for n in range(20) if f"site:channel{n}" not in (VALIDATION, TEST)][:6]
    for n, group in enumerate(in_train):
        add_clip(f"en{n}", group, language="en-US", gender="female", age_group="20-39", emotions=["happy"])
    others = [annotation("site-en0-0-1000", f"rater-{n}", gender="female", emotions=["sad"]) for n in (3, 4)]
    annotations.merge_stream(io.BytesIO(jsonl(others)), "others.jsonl")
    add_clip("de", VALIDATION, 4, language="de", gender="male", age_group="60-79", emotions=["angry", "sad"],
             licence="CC-BY 4.0", duration_s=2.5)  # fmt: skip
    add_clip("none", TEST, emotions=[], arousal=None, valence=None)
    return pipeline


def test_the_card_says_what_the_release_holds(crowd: settings.Settings) -> None:
    manifest = publish_unchecked(VERSION)
    header, body = readme()
    assert header["language"] == ["de", "en"]
    assert (header["license"], header["size_categories"]) == ("other", ["n<1K"])
    facts = dict(table(body, "This release"))
    assert (facts["Clips"], facts["Recordings"], facts["Annotations"], facts["Annotators"]) == ("8", "8", "27", "5")
    splits = {row[0]: row[1:] for row in table(body, "Split")}
    assert {name: int(cells[0]) for name, cells in splits.items()} == {
        name: split["n_clips"] for name, split in manifest["splits"].items()
    }
    assert splits["validation"] == ["1", "0.001", "1", "1", "1"]
    families = {row[0]: row[1:] for row in table(body, "Family")}
    assert families["happy and energetic"] == ["6", "75 %", "6"]
    assert families["angry and irritated"] == ["1", "12.5 %", "1"]
    assert families["sad and despondent"] == ["1", "12.5 %", "2"]
    assert families["disgusted"] == ["0", "0 %", "0"]
    assert table(body, "Raters") == [["3", "6", "75 %"], ["4", "1", "12.5 %"], ["5", "1", "12.5 %"]]
    assert table(body, "Licence") == [["unknown", "7", "7"], ["CC-BY 4.0", "1", "1"]]
    assert "same family in 7 of 8 clips (87.5 %)" in body
    assert "Arousal is known for 7 clips" in body
    assert "A title" not in body
    assert "Art. 5(1)(f)" in body
    assert "There was no release before this one." in body


def test_small_groups_are_blank(crowd: settings.Settings) -> None:
    publish_unchecked(VERSION)
    _, body = readme()
    languages = {row[0]: row[1:] for row in table(body, "Language")}
    assert languages["en"] == ["6", "6", "0.002", "75 %"]
    assert languages["de"] == languages["not known"] == ["<5", "–", "–", "–"]
    ages = {row[0]: row[1:] for row in table(body, "Age group (years)")}
    assert ages["20-39"] == ["<5", "6 (6)", "<5", "<5"]
    assert ages["60-79"] == ages["not said or blanked"] == ["<5"] * 4
    missing = next(line for line in body.splitlines() if "Who is missing" in line)
    assert "60-79 years" in missing
    assert "male" in re.findall(r"\w+", missing)
    assert "female" not in missing
    assert "20-39" not in missing


def test_a_group_of_many_small_cells_is_not_missing(pipeline: settings.Settings) -> None:
    ages = ["13-19", "20-39", "40-59", "60-79", "80-100"]
    for n, age in enumerate(ages):
        add_clip(f"m{n}", f"site:channel{n}", 5, gender="male", age_group=age)
    publish_unchecked(VERSION)
    _, body = readme()
    cells = {row[0]: row[1] for row in table(body, "Age group (years)")}
    assert {cells[age] for age in ages} == {"<5"}
    missing = next(line for line in body.splitlines() if "Who is missing" in line)
    assert re.findall(r"\b(male|female|other)\b", missing) == ["female", "other"]
    assert "busiest annotator gave 20 % of the annotations" in body


def test_the_header_names_exactly_the_shards(crowd: settings.Settings) -> None:
    manifest = publish_unchecked(VERSION)
    header, _ = readme()
    (default,) = header["configs"]
    (info,) = header["dataset_info"]
    assert {"name": "json", "dtype": "json"} in info["features"]
    listed = {shard["path"] for split in manifest["splits"].values() for shard in split["shards"]}
    folder = Path(store.url(ROOT).removeprefix("file://"))
    named = {
        entry["split"]: {path.relative_to(folder).as_posix() for path in folder.glob(entry["path"])}
        for entry in default["data_files"]
    }
    assert set().union(*named.values()) == listed
    assert all(path.startswith(f"{split}/") for split, paths in named.items() for path in paths)


def test_hugging_face_reads_the_header_as_it_is_meant(crowd: settings.Settings) -> None:
    from huggingface_hub import DatasetCard

    publish_unchecked(VERSION)
    content = store.read_bytes(f"{ROOT}/README.md").decode()
    read = DatasetCard(content)
    assert read.text == content.split("---\n", 2)[2]
    header, _ = readme()
    assert read.data.to_dict() == header
    (loaded,) = read.data.to_dict()["configs"]
    assert [part["split"] for part in loaded["data_files"]] == ["train", "validation", "test"]


def test_the_same_release_gives_the_same_bytes(crowd: settings.Settings) -> None:
    manifest = publish_unchecked(VERSION)
    before = {path: store.read_bytes(path) for path in store.paths_below(ROOT)}
    written = card.write(VERSION, ROOT, manifest, lambda: None)
    assert sorted(written) == [f"{ROOT}/{name}" for name in sorted(["README.md", "croissant.json", *PLOTS])]
    assert {path: store.read_bytes(path) for path in store.paths_below(ROOT)} == before
    assert set(written) <= {f"{ROOT}/{file['path']}" for file in manifest["files"]}


def test_plots_are_svg_that_the_card_shows_and_describes(crowd: settings.Settings) -> None:
    publish_unchecked(VERSION)
    _, body = readme()
    assert sorted(path for text, path in re.findall(r"!\[(.+?)\]\((.+?)\)", body) if text) == PLOTS
    for path in PLOTS:
        drawn = ElementTree.fromstring(store.read_bytes(f"{ROOT}/{path}"))
        assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
        assert "dc:date" not in store.read_bytes(f"{ROOT}/{path}").decode()


def test_plots_of_nothing_say_so() -> None:
    for draw in (
        plots.arousal_valence, plots.durations, plots.emotion_families, plots.growth, plots.raters, plots.snr,
        plots.languages, plots.agreement, plots.drift, lambda rows: plots.people(rows, ["male"], ["0-3"], ["irish"]),
    ):  # fmt: skip
        empty = draw([])
        assert ElementTree.fromstring(empty).tag.endswith("svg")
        assert empty == draw([])


def test_a_nearer_look_at_what_plots_count() -> None:
    """More clips are another picture: a plot that ignores its rows would pass the tests above."""
    rows = [{"n_raters": 3, "n_clips": 5}]
    assert plots.raters(rows) != plots.raters([{"n_raters": 4, "n_clips": 5}])
    assert plots.raters([{"n_raters": 10, "n_clips": 5}]) == plots.raters([{"n_raters": 99, "n_clips": 5}])
    assert plots.snr([{"snr_db": 30, "n_clips": 5}]) != plots.snr([{"snr_db": 35, "n_clips": 5}])
    assert plots.languages([{"name": "en", "duration_s": 9.0}]) != plots.languages([{"name": "de", "duration_s": 9.0}])
    measured = {"field": "arousal", "n_clips": 9}
    assert plots.agreement([{**measured, "alpha": 0.4}]) != plots.agreement([{**measured, "alpha": None}])
    moved = {"name": "gender: male", "share_then": 0.5}
    assert plots.drift([{**moved, "share_now": 0.5}]) != plots.drift([{**moved, "share_now": 0.6}])
    heard = {"gender": "male", "age_group": "0-3", "n_clips": 3}
    orders = (["male"], ["0-3"], ["irish", "scottish"])
    assert plots.people([{**heard, "accent": "irish"}], *orders) != plots.people(
        [{**heard, "accent": "scottish"}], *orders
    )


def test_a_name_in_a_plot_is_no_mathematics() -> None:
    assert b"<svg" in plots.languages([{"name": "a$b^$", "duration_s": 9.0}])


def test_agreement_and_drift_come_from_the_checks(crowd: settings.Settings) -> None:
    release.build(VERSION)
    _, body = readme()
    alphas = {row[0]: row[1:] for row in table(body, "Rated")}
    assert alphas["arousal"] == ["–", "interval", "7"]
    assert float(alphas["emotions"][0]) < 1
    assert "plots/agreement.svg" in body
    assert "plots/drift.svg" not in body
    add_clip("more", TRAIN, gender="male", emotions=["calm"])
    release.build("2026.01.02")
    _, body = readme("2026.01.02")
    drawn = store.read_bytes("releases/2026.01.02/plots/drift.svg").decode()
    assert "plots/drift.svg" in body
    assert "family: happy and energetic" in drawn


def test_code_on_the_card_runs(crowd: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_unchecked(VERSION)
    stream, verify = code_blocks(readme()[1])
    monkeypatch.chdir(settings.current().store_root.removeprefix("file://"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(stream, {})
    assert Counter(line.split()[1] for line in printed.getvalue().splitlines()) == {"1.0": 6}
    exec(verify, {})
    Path(ROOT, "README.md").write_bytes(b"changed")
    with pytest.raises(AssertionError, match=r"README\.md"):
        exec(verify, {})


HOSTILE = "a|b\n| x | y | z |\n<script>alert(1)</script> [c](javascript:d) `e` https://evil.example *f* &lt;\u202eg"


def test_a_strangers_text_stays_in_its_cell(pipeline: settings.Settings) -> None:
    settings.configure(**{**pipeline.model_dump(), "licence_policy": {"*": "audio"}})
    add_clip("a", TRAIN, licence=HOSTILE, language="en|<img src=x onerror=alert(1)>")
    publish_unchecked(VERSION)
    header, body = readme()
    assert header["language"] == []
    (licence,) = table(body, "Licence")
    assert len(licence) == 3
    assert licence[1:] == ["1", "1"]
    assert [row[0] for row in table(body, "Language")] == ["no language code"]
    from markdown_it import MarkdownIt

    html = MarkdownIt("gfm-like").disable("linkify").enable("table").render(body)
    assert "&lt;script&gt;alert(1)" in html
    assert not re.search(r"<(script|img src=.?x|b|em)\b|javascript:d\"|onerror", html)
    assert card.escape("https://evil.example www.evil.com a@b.c").count("&#") == 8
    assert not set("|<>`*_[]\\\n\u202e:@") & set(card.escape(HOSTILE))


def test_escaped_text_is_readable() -> None:
    assert card.escape("Creative Commons Attribution 4.0 (reuse allowed)") == (
        "Creative Commons Attribution 4.0 (reuse allowed)"
    )
    assert len(card.escape("x" * 500)) == 80


def test_a_release_of_one_clip(pipeline: settings.Settings) -> None:
    add_clip("a", TEST)
    manifest = publish_unchecked(VERSION)
    assert list(manifest["splits"]) == ["test"]
    header, body = readme()
    assert [entry["split"] for entry in header["configs"][0]["data_files"]] == ["test"]
    assert "No clip has come into train or validation yet." in body
    assert 'root + "/test/000000.tar"' in body
    assert "nan" not in body.lower()
    assert ["Annotators", "<5"] in table(body, "This release")


def test_changes_and_growth_come_from_the_releases(pipeline: settings.Settings) -> None:
    changed, gone = add_clip("a", TRAIN), add_clip("b", TRAIN)
    publish_unchecked("2026.01.01")
    annotations.merge_stream(io.BytesIO(jsonl([annotation(changed, "rater-9", arousal=9)])), "more.jsonl")
    sql("update catalog.clip set state = 'blocked', reason = 'test' where clip_id = %s", gone)
    for name in ("c", "d", "e"):
        add_clip(name, TRAIN)
    publish_unchecked("2026.02.01")
    _, body = readme("2026.02.01")
    assert "Against 2026.01.01: 3 clips added, 1 changed, 1 removed." in body
    with catalog.connect() as connection:
        grown = catalog.rows(connection, "select_card_releases", version="2026.02.01")
        first = catalog.rows(connection, "select_card_releases", version="2026.01.01")
    assert [(row["version"], row["n_clips"]) for row in grown] == [("2026.01.01", 2), ("2026.02.01", 4)]
    assert first == grown[:1]


def test_every_field_is_explained(crowd: settings.Settings) -> None:
    import pyarrow.parquet as pq

    publish_unchecked(VERSION)
    explained = croissant.fields()
    sample = sql("select sample from catalog.released_clip limit 1")[0]["sample"]
    assert {field["name"] for field in explained["clip"] if "json" in field["in"]} == set(sample)
    for name, kind in (("clips", "clip"), ("votes", "vote")):
        columns = pq.read_schema(store.open_read(f"{ROOT}/{name}.parquet")).names
        assert {field["name"] for field in explained[kind] if name in field.get("in", [name])} == set(columns)


@pytest.fixture
def no_new_files_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mlcroissant keeps what it makes in the home folder: give it one."""
    monkeypatch.setenv("HOME", str(tmp_path))


def test_croissant_validates_and_loads(
    crowd: settings.Settings, caplog: pytest.LogCaptureFixture, no_new_files_elsewhere: None
) -> None:
    import mlcroissant

    publish_unchecked(VERSION)
    path = Path(store.url(ROOT).removeprefix("file://")) / "croissant.json"
    with caplog.at_level(logging.WARNING):
        described = mlcroissant.Dataset(str(path))
    assert described.metadata.ctx.issues.report() == ""
    assert [record.message for record in caplog.records if "absl" in record.name] == []
    clips = list(described.records("clips"))
    assert len(clips) == 8
    german = next(clip for clip in clips if clip["clips/clip_id"] == b"site-de-0-1000")
    assert german["clips/duration_s"] == 2.5
    assert german["clips/n_raters"] == 4
    assert german["clips/has_agreement"] is True
    assert sorted(german["clips/emotion_hard"]) == [b"angry_and_irritated", b"sad_and_despondent"]
    assert len(list(described.records("votes"))) == 27
    said = json.loads(path.read_bytes())
    by_id = {entry["@id"]: entry for entry in said["distribution"]}
    content = (path.parent / "clips.parquet").read_bytes()
    assert by_id["clips.parquet"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert by_id["shards"]["includes"] == ["train/*.tar", "validation/*.tar", "test/*.tar"]
    assert said["rai:personalSensitiveInformation"]


def test_versions_are_semantic_for_croissant() -> None:
    assert croissant.semantic_version("2026.01.31") == "2026.1.31"
    assert croissant.semantic_version("2026.11.05.2") == "2026.11.5+2"


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 0, "–"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 9, "11.1 %"), (1, 99_999, "under 0.1 %"),
     (99_998, 99_999, "over 99.9 %")],
)  # fmt: skip
def test_shares(part: int, whole: int, shown: str) -> None:
    assert card.share(part, whole) == shown
