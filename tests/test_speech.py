import json
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include import audio, settings, speech, speech_model

SAMPLES = settings.ROOT / "samples"
TIMELINE: dict[str, Any] = {entry["path"]: entry for entry in json.loads((SAMPLES / "timeline.json").read_text())}
SLACK_S = 0.05


@pytest.fixture(autouse=True)
def _default_settings() -> Iterator[None]:
    settings.configure()
    yield
    settings.configure()


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, audio.Recording]:
    """The sample recordings, in which voices speak sentences whose times are known."""
    settings.configure()
    folder = tmp_path_factory.mktemp("talks")
    return {path: audio.decode(Path(shutil.copy(SAMPLES / path, folder))) for path in TIMELINE}


def test_speech_is_found_where_it_is_and_nowhere_else(talks: dict[str, audio.Recording]) -> None:
    agreed = spoken = 0.0
    for path, recording in talks.items():
        found = recording.track.speech()
        for sentence in TIMELINE[path]["sentences"]:
            inside = speech.within(found, sentence["start_s"], sentence["end_s"])
            agreed += sum(end - start for start, end in inside)
            spoken += sentence["end_s"] - sentence["start_s"]
            outside = speech.within(found, sentence["end_s"] + 0.25, sentence["end_s"] + 0.4)
            assert outside == [], path
    assert agreed / spoken > 0.95


def test_the_models_other_layout_finds_the_same(talks: dict[str, audio.Recording]) -> None:
    import onnxruntime

    samples = talks["media/long_letter.mp4"].read(0, 20_000).reshape(-1)[: 576 * 800]
    given = {"input": samples.reshape(-1, 576), "h": np.zeros((1, 1, 128), "f4"), "c": np.ones((1, 1, 128), "f4")}
    published = onnxruntime.InferenceSession(speech_model.load().SerializeToString()).run(None, given)
    for expected, found in zip(published, speech_model.session().run(None, given), strict=True):
        assert expected.shape == found.shape
        assert np.abs(expected - found).max() < 0.001
    assert published[0].max() > 0.9 > 0.1 > published[0].min()


def test_another_model_is_not_laid_out() -> None:
    model = speech_model.load()
    del model.graph.node[3]
    with pytest.raises(ValueError, match="not the Silero VAD 6"):
        speech_model.laid_out(model)


def test_music_noise_and_silence_are_not_speech(tmp_path: Path) -> None:
    music = audio.decode(Path(shutil.copy(SAMPLES / "media" / "music_only.mp3", tmp_path)))
    assert music.track.speech() == []
    for samples in (np.zeros(48_000), np.random.default_rng(3).normal(0, 0.1, 240_000)):
        detector = speech.Detector(24_000)
        detector.add(samples.astype(np.float32), is_last=True)
        assert detector.track().speech() == []


def test_what_comes_in_pieces_is_judged_as_what_comes_at_once(talks: dict[str, audio.Recording]) -> None:
    recording = talks["media/exam_result.mp4"]
    samples = recording.read(0, 10_000)
    found = []
    for piece in (len(samples), 5000, 777):
        detector = speech.Detector(recording.rate_hz)
        for start in range(0, len(samples), piece):
            detector.add(samples[start : start + piece])
        detector.add(samples[:0], is_last=True)
        found.append(detector.track().probabilities)
    assert len(found[0]) == -(-16_000 * 10 // 512)
    assert all(np.abs(found[0] - other).max() < 0.02 for other in found[1:])


def test_cuts_are_never_inside_a_sentence_with_a_pause_in_reach(talks: dict[str, audio.Recording]) -> None:
    for path, recording in talks.items():
        spans = speech.utterances(recording.track, recording.duration_s)
        assert spans, path
        for start_s, end_s in spans:
            assert 3 - speech.STEP_S <= end_s - start_s <= 15.001, path
            for edge_s in (start_s, end_s):
                for sentence in TIMELINE[path]["sentences"]:
                    inside = sentence["start_s"] + SLACK_S < edge_s < sentence["end_s"] - SLACK_S
                    assert not inside, (path, edge_s, sentence)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_given_edges_are_moved_at_most_two_tenths_to_a_pause() -> None:
    spoken = [(1.0, 5.0), (5.6, 9.0)]
    assert speech.settle(1.1, 8.9, spoken, 10) == (1.0, 9.0)
    assert speech.settle(1.3, 8.7, spoken, 10) == (1.3, 8.7)  # no pause that near
    assert speech.settle(0.5, 5.3, spoken, 10) == (0.5, 5.3)  # in a pause already
    assert speech.settle(4.9, 5.7, spoken, 10) == (5.0, 5.6)


def track(spans: list[tuple[float, float]], duration_s: float) -> speech.Track:
    """A track with speech just there, and most of all in the middle of each stretch."""
    times = (np.arange(int(duration_s / speech.STEP_S)) + 0.5) * speech.STEP_S
    probabilities = np.zeros(len(times), np.float32)
    for start, end in spans:
        probabilities[(times >= start) & (times < end)] = 0.9
    return speech.Track(probabilities)


def test_a_long_monologue_without_a_pause_is_cut_where_speech_is_least_likely() -> None:
    found = track([(1.0, 29.0)], 30)
    found.probabilities[int(15.0 / speech.STEP_S)] = 0.6
    spans = speech.utterances(found, 30)
    assert len(spans) == 2
    assert spans[0][1] == spans[1][0] == pytest.approx(15.0, abs=0.1)


def test_a_long_silence_parts_two_utterances() -> None:
    spans = speech.utterances(track([(2, 6), (12, 17)], 20), 20)
    assert [(round(start), round(end)) for start, end in spans] == [(2, 6), (12, 17)]


def test_a_word_alone_gets_silence_around_it_up_to_the_shortest_clip() -> None:
    ((start_s, end_s),) = speech.utterances(track([(10, 11)], 20), 20)
    assert end_s - start_s == pytest.approx(3, abs=0.01)
    assert start_s < 10 < 11 < end_s


def test_a_recording_shorter_than_the_shortest_clip_is_one_clip() -> None:
    assert speech.utterances(track([(0.5, 1.5)], 2), 2) == [(0.0, 2)]


def test_the_most_clips_of_a_source_are_spread_over_it() -> None:
    settings.configure(max_clips_per_source=4)
    spans = speech.utterances(track([(10 * n, 10 * n + 5) for n in range(40)], 400), 400)
    assert len(spans) == 4
    assert spans[0][0] < 100 < 300 < spans[-1][1]
    assert speech.utterances(track([], 60), 60) == []


def test_speech_costs_what_it_may(talks: dict[str, audio.Recording]) -> None:
    samples = talks["media/long_letter.mp4"].read(0, 30_000)
    started_s = time.process_time()
    for _ in range(3):
        speech.Detector(24_000).add(samples, is_last=True)
    assert (time.process_time() - started_s) / 9 < 0.05  # s of CPU for 10 s; the benchmark holds it to 0.016
