"""The data card of a release: `README.md` as Hugging Face shows it, with its plots and its Croissant description.

All of it comes from the frozen rows and the manifest. Same catalog state and version ⇒ same bytes.
"""

import logging
import re
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from include import bias, catalog, checks, contract, croissant, plots, store

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from psycopg import Connection

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
SPLITS = ("train", "validation", "test")
# LAION's page on removals; it links to the form that reaches them.
CONTACT_URL = "https://laion.ai/faq/"
# A figure on fewer speaker groups or people than this could point to one of them.
MIN_GROUPS = 5
SMALL = f"<{MIN_GROUPS}"
UNSAID = "not said or blanked"
MAX_ROWS = 40
MAX_TEXT = 80
MAX_RATERS = 10
SIZES = [("n<1K", 1e3), ("1K<n<10K", 1e4), ("10K<n<100K", 1e5), ("100K<n<1M", 1e6), ("1M<n<10M", 1e7)]

Figures = dict[str, Any]


def write(version: str, root: str, manifest: dict[str, Any], await_tables: Callable[[], object]) -> list[str]:
    """Write the card of a built release below `root` in the store; the paths. It reads the tables there last.

    Pictures take a second of one core, tables mostly the server's time: so the two may be made side by side.
    """
    with catalog.connect() as connection, ThreadPoolExecutor(max_workers=1) as counting:
        begun = _begin_figures(counting, connection, version, manifest["parent"])
        # Each is drawn as soon as it is counted.
        files = _plots(lambda name: begun[name].result())
        figures = {"manifest": manifest, **{name: found.result() for name, found in begun.items()}}
    figures["warnings"] = checks.warnings(root)
    await_tables()
    figures["annotators"] = _annotators(root)
    licences = [row["licence"] for row in figures["licences"]][:MAX_ROWS]
    files |= {
        "README.md": (_header(figures) + _body(figures)).encode(),
        "croissant.json": croissant.describe(root, manifest, _statements(figures), licences),
    }
    for name, content in files.items():
        store.write_bytes(f"{root}/{name}", content)
    log.info("release %s: data card of %d files written", version, len(files))
    return [f"{root}/{name}" for name in files]


def _plots(counted: Callable[[str], list[catalog.Row]]) -> dict[str, bytes]:
    """The card's pictures by path, of the rows that `counted` gives for each name."""
    files = {
        "plots/arousal_valence.svg": plots.arousal_valence(counted("points")),
        "plots/durations.svg": plots.durations(counted("durations")),
        "plots/emotion_families.svg": plots.emotion_families(counted("families")),
        "plots/growth.svg": plots.growth(counted("releases")),
        "plots/raters.svg": plots.raters(counted("raters")),
        "plots/snr.svg": plots.snr(counted("snr")),
        "plots/languages.svg": plots.languages(_large(counted("languages"))),
        "plots/people.svg": _people_plot(counted("accents")),
    }
    # What the checks measured is not there where none ran, nor is a release to compare the first one with.
    if counted("agreement"):
        files["plots/agreement.svg"] = plots.agreement(counted("agreement"))
    if counted("drift"):
        files["plots/drift.svg"] = plots.drift(_drift(counted("drift"), counted("languages")))
    return files


def _begin_figures(
    counting: ThreadPoolExecutor, connection: "Connection[catalog.Row]", version: str, parent: str | None
) -> "dict[str, Future[Any]]":
    """Have everything counted in the catalog that the card says: lists of rows by name, `totals`, `changes`, `bias`.

    What pictures are drawn of comes first. Leaves the table `card_clip` on the connection.
    """
    names = (
        "points", "durations", "families", "releases", "raters", "snr", "languages", "accents", "agreement", "drift",
        "splits", "people", "licences",
    )  # fmt: skip
    given = {"version": version, "parent": parent, "min_groups": MIN_GROUPS}
    catalog.run(connection, "create_card_clip", version=version)
    return {
        **{name: counting.submit(catalog.rows, connection, f"select_card_{name}", **given) for name in names},
        "totals": counting.submit(catalog.row, connection, "sum_card_release"),
        "changes": counting.submit(catalog.row, connection, "sum_card_changes", version=version, parent=parent),
        "bias": counting.submit(bias.for_card, connection, version),
    }


def _annotators(root: str) -> dict[str, Any]:
    """How many annotators a release rests on, and the busiest one's share of annotations (None for too few)."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with store.open_read(f"{root}/votes.parquet") as stream:
        counts = sorted(pc.value_counts(pq.read_table(stream, columns=["annotator"])["annotator"]).field(1).to_pylist())
    return {"n": len(counts), "top_share": counts[-1] / sum(counts) if len(counts) >= MIN_GROUPS else None}


def _header(figures: Figures) -> str:
    """The YAML that Hugging Face reads: what the data set is, and where the files of each split are."""
    import yaml

    manifest = figures["manifest"]
    shards = [{"split": split, "path": f"{split}/*.tar"} for split in SPLITS if split in manifest["splits"]]
    # Without declared features its loader takes a few samples' keys for all: votes for other families would be lost.
    kinds = {"flac": "audio", "json": "json", "__key__": "string", "__url__": "string"}
    features = [{"name": name, "dtype": kind} for name, kind in kinds.items()]
    # The tables get no configuration: it reads all of a repository with one loader, and would take them for tars.
    loading = {
        "configs": [{"config_name": "default", "data_files": shards}],
        "dataset_info": [{"config_name": "default", "features": features}],
    }
    found = {
        "pretty_name": "Open Empathic",
        "license": "other",
        "license_name": "per-clip",
        "task_categories": ["audio-classification", "automatic-speech-recognition"],
        "language": sorted(row["language"] for row in figures["languages"] if row["language"]),
        "size_categories": [next((name for name, limit in SIZES if manifest["n_clips"] < limit), "10M<n<100M")],
        "annotations_creators": ["crowdsourced"],
        "source_datasets": ["original"],
        "tags": ["audio", "speech", "emotion", "speech-emotion-recognition", "arousal", "valence", "webdataset"],
        **(loading if shards else {}),
    }
    return f"---\n{yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=120)}---\n\n"


def _body(figures: Figures) -> str:
    """The card's text in Markdown."""
    manifest = figures["manifest"]
    context = {
        **figures,
        "version": manifest["version"],
        "duration_s": manifest["duration_s"],
        "min_raters": manifest["settings"]["min_raters"],
        "splits": [
            {**row, "n_shards": len(manifest["splits"].get(row["split"], {}).get("shards", []))}
            for row in figures["splits"]
        ],
        "missing_splits": [split for split in SPLITS if split not in manifest["splits"]],
        "fields": croissant.fields()["clip"],
        "raters": _raters(figures["raters"]),
        "languages": _languages(figures["languages"]),
        "english": _safe(_english(figures["languages"])),
        "n_small_languages": sum(row["n_speaker_groups"] < MIN_GROUPS for row in _named(figures["languages"])),
        "people": _people(figures["people"]),
        "licences": _licences(figures["licences"]),
        "small": _safe(SMALL),
        "contact_url": CONTACT_URL,
        "stream_code": _template("stream.py", version=manifest["version"], pattern=_pattern(manifest)),
        "verify_code": _template("verify.py", version=manifest["version"]),
    }
    # Tags on lines of their own leave empty lines; Markdown needs one at most.
    return re.sub(r"\n{3,}", "\n\n", _template("README.md", **context)) + "\n"


def _pattern(manifest: dict[str, Any]) -> str:
    """The shards of the first split that has any, in webdataset's brace notation; empty if there are none."""
    for split in SPLITS:
        paths = [shard["path"] for shard in manifest["splits"].get(split, {}).get("shards", [])]
        if len(paths) > 1:
            first, last = (re.sub(r"\D", "", path) for path in (min(paths), max(paths)))
            return f"{split}/{{{first}..{last}}}.tar"
        if paths:
            return str(paths[0])
    return ""


def _raters(rows: list[catalog.Row]) -> list[catalog.Row]:
    """Clips by number of raters, with ten and more in one row."""
    few = [row for row in rows if row["n_raters"] < MAX_RATERS]
    n_many = sum(row["n_clips"] for row in rows if row["n_raters"] >= MAX_RATERS)
    return few + ([{"n_raters": f"{MAX_RATERS} or more", "n_clips": n_many}] if n_many else [])


def _named(languages: list[catalog.Row]) -> list[catalog.Row]:
    """The rows of languages that are known."""
    return [row for row in languages if row["language"]]


def _languages(rows: list[catalog.Row]) -> list[catalog.Row]:
    """The language table: the largest ones, then how many clips the others have together."""
    names = {None: "not known", "": "no language code"}
    found = [{**row, "name": names.get(row["language"], row["language"])} for row in rows]
    if len(found) > MAX_ROWS:
        rest = found[MAX_ROWS:]
        # One speaker group may stand in several of them: the largest count is certain.
        n_groups = max(row["n_speaker_groups"] for row in rest)
        sums = {name: sum(row[name] for row in rest) for name in ("n_clips", "duration_s")}
        found = [*found[:MAX_ROWS], {"name": f"{len(rest)} more", "n_speaker_groups": n_groups, **sums}]
    return [{**row, "is_small": row["n_speaker_groups"] < MIN_GROUPS} for row in found]


def _large(languages: list[catalog.Row]) -> list[catalog.Row]:
    """Known languages of enough speaker groups, as the plot names them."""
    return [{**row, "name": row["language"]} for row in _named(languages) if row["n_speaker_groups"] >= MIN_GROUPS]


def _people_plot(rows: list[catalog.Row]) -> bytes:
    """The plot of perceived accent, gender and age group, in the form's order."""
    orders = {
        "gender": _in_order(get_args(contract.Gender), (row["gender"] for row in rows)),
        "age_group": _in_order(contract.AGE_GROUPS, (row["age_group"] for row in rows)),
        "accent": _in_order(get_args(contract.Accent), (row["accent"] for row in rows)),
    }
    # Whose gender was not said has a panel only where there is such a clip; the form's own answers always have one.
    if not any(row["gender"] is None for row in rows):
        orders["gender"].remove(None)
    named = [{**row, **{name: _word(row[name]) for name in orders}} for row in rows]
    return plots.people(named, *([_word(value) for value in order] for order in orders.values()))


def _word(value: str | None) -> str:
    return "blank" if value is None else value.replace("_", " ")


def _drift(moved: list[catalog.Row], languages: list[catalog.Row]) -> list[catalog.Row]:
    """Groups as the plot of drift names them; languages of few speaker groups are left out."""
    large = {row["language"] for row in _large(languages)}
    return [
        {**row, "name": f"{_word(row['kind'])}: {_word(row['name'])}"}
        for row in moved
        if row["kind"] != "language" or row["name"] in large
    ]


def _english(languages: list[catalog.Row]) -> str:
    """A sentence on how much of the data is English."""
    known = _named(languages)
    english = next((row for row in known if row["language"] == "en"), None)
    if english is None:
        return "No clip is known to be English."
    if english["n_speaker_groups"] < MIN_GROUPS:
        return "English is spoken in fewer than five speaker groups."
    of_known = share(english["n_clips"], sum(row["n_clips"] for row in known))
    return f"{of_known} of the clips whose language is known are English."


def _people(rows: list[catalog.Row]) -> dict[str, Any]:
    """The table of perceived gender by age group, and which of them hardly anybody was heard as."""
    counts: dict[str, dict[Any, catalog.Row]] = {"both": {}, "gender": {}, "age_group": {}}
    for row in rows:
        said = {"gender": row["perceived_gender"], "age_group": row["perceived_age_group"]}
        counts[row["counted_by"]][said.get(row["counted_by"], tuple(said.values()))] = row
    genders = _in_order(get_args(contract.Gender), counts["gender"])
    ages = _in_order(contract.AGE_GROUPS, counts["age_group"])
    missing = [f"{age} years" for age in ages if age and _is_small(counts["age_group"].get(age))]
    missing += [gender for gender in genders if gender and _is_small(counts["gender"].get(gender))]
    return {
        "genders": [gender or UNSAID for gender in genders],
        "rows": [
            {"age_group": age or UNSAID, "cells": [_cell(counts["both"].get((gender, age))) for gender in genders]}
            for age in ages
        ],
        "missing": missing,
    }


def _in_order(known: tuple[str, ...], found: Iterable[str | None]) -> list[str | None]:
    """The form's own values in its order, then others that the data has, then None."""
    return [*known, *sorted({value for value in found if value is not None} - set(known)), None]


def _is_small(row: catalog.Row | None) -> bool:
    return row is None or row["n_speaker_groups"] < MIN_GROUPS


def _cell(row: catalog.Row | None) -> "str | Markup":
    # Nobody or a few: what few share is blanked in the release, so that the two can't be told apart.
    if row is None or row["n_speaker_groups"] < MIN_GROUPS:
        return _safe(SMALL)
    return f"{row['n_clips']:,} ({row['n_speaker_groups']:,})"


def _licences(rows: list[catalog.Row]) -> list[catalog.Row]:
    """The licence table: the most frequent ones, then the others in one row."""
    rest = rows[MAX_ROWS:]
    sums = {name: sum(row[name] for row in rest) for name in ("n_clips", "n_sources")}
    return rows[:MAX_ROWS] + ([{"licence": f"{len(rest)} more", **sums}] if rest else [])


def _statements(figures: Figures) -> dict[str, Any]:
    """Croissant's statements for responsible AI (`rai:`), with the card's figures."""
    totals, people = figures["totals"], _people(figures["people"])
    missing = f"Heard in fewer than five speaker groups: {', '.join(people['missing'])}." if people["missing"] else ""
    no_agreement = share(totals["n_clips"] - totals["n_agreed"], totals["n_clips"])
    return {
        "dataCollection": "Clips of at most 30 s of public recordings of people speaking, and what volunteers who "
        "listened to them filled into a form.",
        "dataCollectionType": ["Web Scraping", "Crowdsourcing"],
        "dataCollectionMissingData": "A field that an annotator left blank was not said; nothing is filled in.",
        "dataPreprocessingProtocol": [
            f"Decoded once, mixed to mono, resampled to {figures['manifest']['settings']['sample_rate_hz']} Hz, "
            "cut, encoded as 16 bit FLAC without loss."
        ],
        "dataAnnotationProtocol": [
            "Emotion words from a fixed list, arousal 0 to 10, valence -5 to +5, perceived age group, gender, accent. "
            f"A clip is released with {figures['manifest']['settings']['min_raters']} annotators or more; "
            "votes.parquet has every vote."
        ],
        "annotationsPerItem": f"{figures['manifest']['settings']['min_raters']} or more",
        "dataAnnotationAnalysis": [f"In {no_agreement} of the clips no two raters chose the same emotion family."],
        "dataBiases": [
            "Age group, gender and accent are as listeners perceived them; nobody in a clip was asked.",
            *filter(None, [_english(figures["languages"]), missing]),
            "People on public channels perform for an audience; volunteers are no sample of a population.",
        ],
        "dataLimitations": ["Labels say what listeners heard, not what a speaker felt."],
        "dataUseCases": [
            "Research on and training of open models that hear or express emotion in speech; the study of agreement.",
            "Not for inferring emotions at the workplace or in education, which Art. 5(1)(f) of Regulation (EU) "
            "2024/1689 prohibits, for decisions on persons, or for identifying or imitating a speaker.",
        ],
        "dataSocialImpact": "May make open models respond better to people; may be misused to watch or sway them.",
        "personalSensitiveInformation": [
            "Voices of identifiable people; perceived gender, age group, accent; language; speech that may speak of "
            "anything. Annotators are pseudonymous."
        ],
        "dataReleaseMaintenancePlan": "Releases are immutable but for removals; each lists in removed.jsonl the clips "
        f"that must be deleted from copies of earlier ones. Requests: {CONTACT_URL}",
    }


def escape(text: str) -> str:
    """Text from anybody as Markdown shows it, on one line: no markup, no HTML, no link, no table cell of its own.

    Every ASCII sign that can mean something becomes an HTML entity, which Markdown reads only after all else.
    """
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    line = " ".join(visible.split())
    line = line if len(line) <= MAX_TEXT else f"{line[: MAX_TEXT - 1]}…"
    return re.sub(r"(?![ ,()+%-])[!-/:-@\[-`{-~](?<!\d\.(?=\d))", lambda found: f"&#{ord(found[0])};", line)


def share(part: float, whole: float) -> str:
    """A part of a whole in percent; a dash if there is nothing to share."""
    return percent(part / whole) if whole else "–"


def percent(value: float) -> str:
    """A share of 1 in percent; what is not all or nothing never rounds to it."""
    rounded = f"{value * 100:.1f}"
    if value > 0 and rounded == "0.0":
        return "under 0.1 %"
    return "over 99.9 %" if value < 1 and rounded == "100.0" else f"{rounded.removesuffix('.0')} %"


def hours(duration_s: float) -> str:
    """Seconds in hours, with as many places as a size of that order needs."""
    value = duration_s / 3600
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def _safe(text: str) -> "Markup":
    from markupsafe import Markup

    return Markup(text)


def _put_out(value: object) -> "str | Markup":
    """What a template puts out: marked text as it is, counts with thousands set apart, all else escaped."""
    from markupsafe import Markup

    if isinstance(value, Markup):
        return value
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), finalize=_put_out, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        # For our own words inside code and addresses, where entities would be shown as they are.
        "plain": lambda text: _safe(re.sub(r"[^\w.:/-]", "", str(text))),
        "words": lambda name: name.replace("_", " "),
        "decimal": lambda value: "–" if value is None else f"{value:.1f}",
        "small": lambda n: _safe(SMALL) if n < MIN_GROUPS else n,
        "unless": lambda value, is_small: _safe("–") if is_small else value,
        "share": share,
        "percent": percent,
        "hours": hours,
    }
    return environment


def _template(name: str, **context: Any) -> str:
    return _environment().get_template(f"{name}.jinja").render(**context)
