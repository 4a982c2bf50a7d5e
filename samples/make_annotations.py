"""Make up what volunteers say of the sample clips: annotations/*.jsonl.

Run by hand, from the repository root, after make_samples.py:

    .venv/bin/python samples/make_annotations.py

Five careful annotators answer around what recordings.yaml means a listener to perceive, each with a leaning
of their own; a sixth, vol-hasty, always says the same. The same seed gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

import yaml

HERE = Path(__file__).resolve().parent
SEED = 20240308
DEMO_URL = "http://127.0.0.1"  # the demo's server; its port changes and is no part of an id
FIRST_EVENING = datetime(2024, 3, 8, 18, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """One clip that the demo harvests, and what is true of it."""

    path: str
    start_s: float
    end_s: float
    text: str
    recording: dict

    @property
    def url(self) -> str:
        """Where the recording is."""
        return f"{DEMO_URL}/{self.path}"


@dataclass(frozen=True)
class Annotator:
    """A volunteer: which languages they write down, and how they lean."""

    id: str
    languages: tuple[str, ...]
    arousal_bias: int
    valence_bias: int
    typo_share: float
    blank_share: float
    zone_h: float


CAREFUL = [
    Annotator("vol-amara", ("en", "fr"), 0, 1, 0.0, 0.05, 1),
    Annotator("vol-bjorn", ("en", "de"), -1, 0, 0.3, 0.2, 1),
    Annotator("vol-chen", ("en",), 0, 0, 0.5, 0.1, 8),
    Annotator("vol-dalia", ("en", "es", "fr"), 1, 0, 0.2, 0.1, 0),
    Annotator("vol-emeka", ("en", "de", "es"), 0, -1, 0.4, 0.3, -5),
]

# What an emotion of recordings.yaml sounds like: words that most hear in it, words that some hear in it,
# (arousal, valence), and how people describe it.
HEARD = {
    "happy": (
        ["happy", "joyful", "elated", "cheerful"],
        ["exuberant", "energized", "grateful", "amazed"],
        (8, 4),
        ["talks fast and almost laughs", "sounds overjoyed, the voice jumps up"],
    ),
    "worried": (
        ["worried", "anxious", "nervous", "uneasy"],
        ["tense", "stressed", "troubled", "restless"],
        (6, -3),
        ["speaks quickly, with a tense voice", "sounds worried and tries to stay calm"],
    ),
    "angry": (
        ["angry", "annoyed", "exasperated", "indignant"],
        ["vexed", "grumpy", "determined", "stressed"],
        (8, -4),
        ["complains, louder and louder", "is fed up and bites off the words"],
    ),
    "calm": (
        ["calm", "peaceful", "serene", "relaxed"],
        ["reflective", "mindful", "pensive", "grateful"],
        (2, 3),
        ["speaks slowly and softly", "sounds at rest, with long pauses"],
    ),
    "sad": (
        ["sad", "sorrowful", "heartbroken", "melancholic"],
        ["forlorn", "gloomy", "pensive", "downhearted"],
        (2, -4),
        ["speaks slowly, in a low voice", "sounds close to tears"],
    ),
    "surprised": (
        ["surprised", "astonished", "bewildered", "puzzled"],
        ["perplexed", "stunned", "startled", "happy"],
        (8, 1),
        ["asks one question after another", "can't believe what is happening"],
    ),
    "neutral": (
        ["neutral", "neutral", "composed", "calm"],
        ["focused", "levelheaded", "attentive"],
        (3, 0),
        ["reads out facts in an even voice", "gives information, no feeling to be heard"],
    ),
    "grateful": (
        ["grateful", "thankful", "grateful", "hopeful"],
        ["melancholic", "calm", "reflective", "somber"],
        (3, 3),
        ["thanks somebody, quietly", "speaks warmly and hesitates a little"],
    ),
    "determined": (
        ["determined", "resolute", "persistent", "driven"],
        ["tenacious", "energetic", "motivated", "focused"],
        (7, 2),
        ["speaks firmly and without doubt", "sounds like somebody who won't give up"],
    ),
    "curious": (
        ["curious", "intrigued", "fascinated", "wondering"],
        ["pondering", "cheerful", "inquiring", "puzzled"],
        (5, 2),
        ["wonders aloud", "looks at something and talks about it with interest"],
    ),
    "amused": (
        ["playful", "lighthearted", "merry", "teasing"],
        ["deadpan", "ironic", "happy", "jovial"],
        (6, 3),
        ["tells a story and enjoys it", "is amused, and stretches the funny parts"],
    ),
}
AGE_GROUPS = ["0-3", "4-7", "8-12", "13-19", "20-39", "40-59", "60-79", "80-100"]
BACKGROUND_SOUNDS = {"traffic": ["city_traffic"], "music": ["music"], "birds": ["animals"]}


def source_key(url: str) -> str:
    """Return the name that a recording has by its address: readable part, "-", 8 hex digits of its hash.

    Scheme and port are left out, so that the same recording on another port of the demo keeps its name.
    """
    parts = urlsplit(url)
    slug = re.sub(r"[^A-Za-z0-9_-]", "_", Path(parts.path).stem)[:40]
    address = (parts.hostname or "") + parts.path + (f"?{parts.query}" if parts.query else "")
    return f"{slug}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"


def clip_id_of(url: str, start_s: float, end_s: float) -> str:
    """Return the id of a stretch of a recording."""
    return f"generic-{source_key(url)}-{round(start_s * 1000)}-{round(end_s * 1000)}"


def read_windows() -> list[Window]:
    """Return the windows of sources.yaml that lie in good recordings, with what is said in them."""
    recordings = {
        entry["path"]: entry for entry in yaml.safe_load((HERE / "recordings.yaml").read_text())["recordings"]
    }
    timeline = {entry["path"]: entry for entry in json.loads((HERE / "timeline.json").read_text())}
    windows = []
    for source in yaml.safe_load((HERE / "sources.yaml").read_text()):
        path, start_s, end_s = source["path"], source.get("start_s"), source.get("end_s")
        if path not in timeline or end_s is None or end_s > timeline[path]["duration_s"]:
            continue
        said = [
            sentence["text"]
            for sentence in timeline[path]["sentences"]
            if sentence["start_s"] >= start_s and sentence["end_s"] <= end_s
        ]
        windows.append(Window(path, start_s, end_s, " ".join(said), recordings[path]))
    return windows


def with_typo(text: str, rng: random.Random) -> str:
    """Return the text with one slip of the fingers: two letters swapped, one lost, or no capitals."""
    at = rng.choice([i for i in range(1, len(text) - 2) if text[i].isalpha() and text[i + 1].isalpha()])
    slip = rng.randrange(3)
    if slip == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if slip == 1:
        return text[:at] + text[at + 1 :]
    return text.lower()


def clamp(value: int, low: int, high: int) -> int:
    """Return the value, or the bound that it passes."""
    return max(low, min(high, value))


def emotions_of(emotion: str, rng: random.Random) -> list[str]:
    """Return one to three words: nearly always one that most hear, sometimes one that few hear."""
    most, some, *_ = HEARD[emotion]
    words = [rng.choice(most)] if rng.random() < 0.9 else []
    if rng.random() < 0.4:
        words.append(rng.choice(most))
    if rng.random() < 0.35 or not words:
        words.append(rng.choice(some))
    return list(dict.fromkeys(words))


def age_group_of(true_group: str, rng: random.Random) -> str:
    """Return the age group, one in five times a neighbouring one."""
    at = AGE_GROUPS.index(true_group) + rng.choice([0] * 8 + [-1, 1])
    return AGE_GROUPS[clamp(at, 0, len(AGE_GROUPS) - 1)]


def name_clip(window: Window, number: int) -> dict:
    """Return the fields that say which clip; every third row says it by address and times."""
    if number % 3 == 2:
        return {"url": window.url, "start_s": window.start_s, "end_s": window.end_s}
    return {"clip_id": clip_id_of(window.url, window.start_s, window.end_s)}


def moment(minutes: float, zone_h: float) -> str:
    """Return the time so many minutes after the first evening began, in the annotator's own zone."""
    zone = timezone(timedelta(hours=zone_h))
    return (FIRST_EVENING + timedelta(minutes=minutes)).astimezone(zone).isoformat(timespec="seconds")


def frame(window: Window, annotator_id: str, minutes: float, zone_h: float, number: int, version: str) -> dict:
    """Return the part of a row that every annotation has."""
    return {
        **name_clip(window, number),
        "annotator_id": annotator_id,
        "submitted_at": moment(minutes, zone_h),
        "vocabulary_version": version,
        "source_ref": f"sample-form-{number:04d}",
    }


def careful_answers(window: Window, who: Annotator, rng: random.Random) -> dict:
    """Return what a careful annotator says of a clip; some labels are left out, some are sent blank."""
    truth = window.recording
    _, _, (arousal, valence), manners = HEARD[truth["emotion"]]
    is_understood = truth["language"] in who.languages
    text = window.text if is_understood else ""
    if text and rng.random() < who.typo_share:
        text = with_typo(text, rng)
    person = {"female": "A woman", "male": "A man"}[truth["gender"]]
    accent = truth["accent"] if is_understood or rng.random() < 0.5 else "unsure"
    quality = "average" if truth.get("gain_db") else rng.choice(["good", "good", "excellent"])
    if truth.get("background") in ("traffic", "hiss"):
        quality = rng.choice(["average", "good"])
    answers = {
        "transcription": text,
        "language": truth["language"],
        "audio_description": f"{person} {rng.choice(manners)}.",
        "arousal": clamp(arousal + who.arousal_bias + rng.choice([-1, 0, 0, 1]), 0, 10),
        "valence": clamp(valence + who.valence_bias + rng.choice([-1, 0, 0, 1]), -5, 5),
        "age_group": age_group_of(truth["age_group"], rng),
        "gender": truth["gender"],
        "accent": accent,
        "audio_quality": quality,
        "background_sounds": BACKGROUND_SOUNDS.get(truth.get("background"), ["none"]),
        "emotions": emotions_of(truth["emotion"], rng),
        "time_spent_s": round((window.end_s - window.start_s) * rng.uniform(2.0, 5.0), 1),
    }
    if accent == "other":
        answers["accent_text"] = truth["accent_text"]
    if window.path.endswith(".mp4"):
        answers["video_description"] = rng.choice(["One plain colour, nothing moves.", ""])
    for name in ("age_group", "accent", "audio_quality", "background_sounds", "audio_description"):
        if rng.random() < who.blank_share:
            del answers[name]
            answers.pop(f"{name}_text", None)
    if rng.random() < who.blank_share / 2:
        answers[rng.choice(["arousal", "valence"])] = None
    return answers


def hasty_answers(rng: random.Random) -> dict:
    """Return what vol-hasty says of every clip, without hearing it to the end."""
    return {
        "transcription": "",
        "language": "en",
        "arousal": 5,
        "valence": 0,
        "age_group": "20-39",
        "gender": "male",
        "accent": "us_english",
        "audio_quality": "good",
        "background_sounds": ["none"],
        "emotions": ["happy"],
        "time_spent_s": round(rng.uniform(1.5, 4.0), 1),
    }


def raters_of(number: int, window: Window) -> list[Annotator]:
    """Return three or four careful annotators, those who know the language first."""
    turn = CAREFUL[number % 5 :] + CAREFUL[: number % 5]
    turn = sorted(turn, key=lambda who: window.recording["language"] not in who.languages)
    return turn[: 4 if number % 3 == 0 else 3]


class Form:
    """Fills in rows and numbers them in the order in which they are sent."""

    def __init__(self, version: str, rng: random.Random) -> None:
        """Begin with an empty pile."""
        self.version = version
        self.rng = rng
        self.number = 0

    def row(self, window: Window, annotator_id: str, zone_h: float, minutes: float, answers: dict) -> dict:
        """Return the next row."""
        self.number += 1
        return {**frame(window, annotator_id, minutes, zone_h, self.number, self.version), **answers}

    def careful(self, window: Window, who: Annotator, minutes: float, **changes: object) -> dict:
        """Return a careful annotator's row, with some answers set."""
        answers = {**careful_answers(window, who, self.rng), **changes}
        return self.row(window, who.id, who.zone_h, minutes, answers)


def evening_rows(form: Form, windows: list[tuple[int, Window]], minutes: float) -> list[dict]:
    """Return one evening's rows: each clip by its careful annotators, most of them by vol-hasty, too."""
    rows = []
    for number, window in windows:
        for who in raters_of(number, window):
            minutes += form.rng.uniform(0.5, 2)
            rows.append(form.careful(window, who, minutes))
        if number % 5 != 4:
            rows.append(form.row(window, "vol-hasty", 0, minutes + 0.2, hasty_answers(form.rng)))
    return rows


def window_in(windows: list[Window], path: str) -> tuple[int, Window]:
    """Return the first window of a recording, and its number."""
    return next((number, window) for number, window in enumerate(windows) if window.path == path)


def others_than_raters(windows: list[Window], path: str) -> list[Annotator]:
    """Return the careful annotators who haven't yet annotated a recording's first window."""
    return [who for who in CAREFUL if who not in raters_of(*window_in(windows, path))]


def correction_rows(form: Form, windows: list[Window], minutes: float) -> list[dict]:
    """Return second thoughts, a withdrawal and reports."""
    number, dog = window_in(windows, "media/the_old_dog.mp4")
    corrected = form.careful(
        dog, raters_of(number, dog)[0], minutes, emotions=["heartbroken", "sorrowful"], arousal=3, valence=-5
    )
    number, exam = window_in(windows, "media/exam_result.mp4")
    withdrawer = raters_of(number, exam)[-1]
    withdrawn = form.row(exam, withdrawer.id, withdrawer.zone_h, minutes + 3, {"retracted": True, "time_spent_s": 4.0})
    _, train = window_in(windows, "media/zug.mp3")
    crowd = form.careful(
        train,
        others_than_raters(windows, train.path)[0],
        minutes + 6,
        reports=["several_speakers"],
        report_text="I think there's an announcement behind him.",
    )
    _, parcel = window_in(windows, "media/parcel.webm")
    first, second = others_than_raters(windows, parcel.path)[:2]
    private = form.careful(
        parcel,
        first,
        minutes + 9,
        reports=["personal_data"],
        report_text="A private phone call. Does he know that it was recorded?",
    )
    crude = form.careful(
        parcel,
        second,
        minutes + 14,
        reports=["sexual", "offensive"],
        report_text="A remark near the end, in the back.",
    )
    return [corrected, withdrawn, crowd, private, crude]


def without(row: dict, *names: str) -> dict:
    """Return a row that lacks some fields."""
    return {name: value for name, value in row.items() if name not in names}


def by_address(row: dict, window: Window, start_s: float, end_s: float) -> dict:
    """Return a row that names its clip by address and times."""
    return {
        "url": window.url,
        "start_s": start_s,
        "end_s": end_s,
        **without(row, "clip_id", "url", "start_s", "end_s"),
    }


def by_clip_id(row: dict, clip_id: str) -> dict:
    """Return a row that names its clip by id."""
    return {"clip_id": clip_id, **without(row, "clip_id", "url", "start_s", "end_s")}


def malformed_lines(form: Form, windows: list[Window], minutes: float) -> list[str]:
    """Return rows with one defect each, and good ones among them; README.md says what becomes of each."""
    _, ferry = window_in(windows, "media/ferry_times.m4a")
    who = others_than_raters(windows, ferry.path)[0]

    ferry_id = clip_id_of(ferry.url, ferry.start_s, ferry.end_s)

    def fresh(**changes: object) -> dict:
        """Return a row without defect but for the changes."""
        blanks_filled = {
            "arousal": 3,
            "valence": 0,
            "age_group": "40-59",
            "accent": "british_english",
            **changes,
        }
        return by_clip_id(form.careful(ferry, who, minutes + form.number / 10, **blanks_filled), ferry_id)

    hostile = '<script>alert("hi")</script> The first ferry leaves at <b>six fifteen</b> & so on, =1+1'
    elsewhere = clip_id_of(f"{DEMO_URL}/media/not_yet_harvested.mp3", 2.0, 11.5)
    rows = [
        json.dumps(fresh(), ensure_ascii=False)[:143],
        fresh(arousal=11),
        without(fresh(), "annotator_id"),
        fresh(emotions=["neutral", "hangry"]),
        fresh(submitted_at="2024-03-11T19:09:00"),
        by_address(fresh(), ferry, ferry.end_s, ferry.start_s),
        by_clip_id(fresh(), "generic-../../ferry_times-400-13600"),
        fresh(gender="femail"),
        fresh(transcription=hostile, audio_description="A man reads <i>very</i> evenly."),
        by_clip_id(fresh(transcription="The tide is out, so mind the lower steps."), elsewhere),
        ["this", "row", "is", "a", "list"],
        fresh(time_spent_s=-3),
        fresh(valence=2.5),
        without(fresh(), "clip_id"),
        fresh(emotions="neutral"),
        fresh(arousal=float("nan")),
        fresh(submitted_at="the day before yesterday"),
    ]
    _, mer = window_in(windows, "media/la_mer.mp4")
    rows.append(form.careful(mer, others_than_raters(windows, mer.path)[0], minutes + 30))
    return [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]


def check_words(vocabulary: dict) -> None:
    """Stop where HEARD has a word that the vocabulary lacks."""
    known = {word for words in vocabulary["families"].values() for word in words}
    unknown = {word for most, some, *_ in HEARD.values() for word in most + some} - known
    if unknown:
        raise SystemExit(f"not in include/vocabulary.yaml: {sorted(unknown)}")


def write_lines(name: str, lines: list[str]) -> None:
    """Write one file of annotations/."""
    (HERE / "annotations" / name).write_text("\n".join(lines) + "\n")


def main() -> None:
    """Write every file."""
    vocabulary = yaml.safe_load((HERE.parent / "include" / "vocabulary.yaml").read_text())
    check_words(vocabulary)
    windows = read_windows()
    numbered = list(enumerate(windows))
    half = len(numbered) // 2
    form = Form(vocabulary["version"], random.Random(SEED))
    (HERE / "annotations").mkdir(exist_ok=True)
    a_day = 24 * 60
    for name, rows in (
        ("01-first-evening.jsonl", evening_rows(form, numbered[:half], 0)),
        ("02-second-evening.jsonl", evening_rows(form, numbered[half:], a_day)),
        ("03-second-thoughts.jsonl", correction_rows(form, windows, 2 * a_day)),
    ):
        write_lines(name, [json.dumps(row, ensure_ascii=False) for row in rows])
    write_lines("04-malformed.jsonl", malformed_lines(form, windows, 3 * a_day))


if __name__ == "__main__":
    main()
