"""Where somebody speaks, and where to cut so that nobody is interrupted.

Speech is found by Silero VAD 6, see speech_model.py.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from include import settings, speech_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL_RATE_HZ = 16_000
STEP = 512  # samples that the model judges at a time
STEP_S = STEP / MODEL_RATE_HZ
CONTEXT = 64  # samples before them that it sees as well

# Silero's own defaults: begin at one probability, end at a lower one, so that a word is not cut to pieces.
BEGIN_PROBABILITY = 0.5
END_PROBABILITY = 0.35
MIN_SPEECH_S = 0.25
MIN_PAUSE_S = 0.15
PAD_S = 0.05  # the model hears a word a little late and lets go of it early

MAX_INNER_PAUSE_S = 2.0  # a longer silence parts two utterances
MAX_SHIFT_S = 0.2  # as far as a given window may be moved

Span = tuple[float, float]


class Detector:
    """Probability of speech in audio that comes in pieces; memory grows by 125 bytes a second of audio."""

    def __init__(self, rate_hz: int) -> None:
        import numpy as np
        import soxr

        self._resampler = None
        if rate_hz != MODEL_RATE_HZ:
            self._resampler = soxr.ResampleStream(rate_hz, MODEL_RATE_HZ, 1, dtype="float32", quality="LQ")
        self._rest = np.zeros(CONTEXT, np.float32)
        self._memory = [np.zeros((1, 1, 128), np.float32)] * 2
        self._probabilities: list[NDArray[np.float32]] = []

    def add(self, samples: "NDArray[np.float32]", *, is_last: bool = False) -> None:
        """The next piece, shape (samples,); the last one may be empty."""
        import numpy as np

        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=is_last)
        samples = np.concatenate([self._rest, samples])
        n_steps = (len(samples) - CONTEXT) // STEP
        if is_last and (len(samples) - CONTEXT) % STEP:
            n_steps += 1
            samples = np.pad(samples, (0, n_steps * STEP + CONTEXT - len(samples)))
        self._rest = samples[n_steps * STEP :]
        if n_steps:
            windows = np.lib.stride_tricks.sliding_window_view(samples, CONTEXT + STEP)[::STEP][:n_steps]
            given = {"input": np.ascontiguousarray(windows), "h": self._memory[0], "c": self._memory[1]}
            probabilities, *self._memory = speech_model.session().run(None, given)
            self._probabilities.append(probabilities.reshape(-1))

    def track(self) -> "Track":
        """What was found in all that came."""
        import numpy as np

        return Track(np.concatenate(self._probabilities or [np.zeros(0, np.float32)]))


@dataclass(frozen=True)
class Track:
    """Speech in a recording: a probability for every 32 ms, shape (steps,)."""

    probabilities: "NDArray[np.float32]"

    def speech(self) -> list[Span]:
        """Stretches of speech as (start_s, end_s), in order; what parts them is a pause of at least 0.05 s."""
        spans: list[Span] = []
        begun: int | None = None
        quiet_from: int | None = None
        for step, probability in enumerate(self.probabilities):
            if probability >= BEGIN_PROBABILITY:
                begun = step if begun is None else begun
                quiet_from = None
            elif begun is not None and probability < END_PROBABILITY:
                quiet_from = step if quiet_from is None else quiet_from
                if (step + 1 - quiet_from) * STEP_S >= MIN_PAUSE_S:
                    spans.append((begun * STEP_S, quiet_from * STEP_S))
                    begun = quiet_from = None
        if begun is not None:
            spans.append((begun * STEP_S, (quiet_from or len(self.probabilities)) * STEP_S))
        end_s = len(self.probabilities) * STEP_S
        return [
            (max(start - PAD_S, 0.0), min(end + PAD_S, end_s)) for start, end in spans if end - start >= MIN_SPEECH_S
        ]

    def least_likely(self, start_s: float, end_s: float) -> float:
        """The moment between two others at which speech is least likely."""
        first, last = math.ceil(start_s / STEP_S), int(end_s / STEP_S)
        inside = self.probabilities[first:last]
        return (first + int(inside.argmin()) + 0.5) * STEP_S if len(inside) else (start_s + end_s) / 2


def within(spans: list[Span], start_s: float, end_s: float) -> list[Span]:
    """The parts of `spans` that lie between two moments."""
    return [(max(a, start_s), min(b, end_s)) for a, b in spans if b > start_s and a < end_s]


def pauses(spans: list[Span], start_s: float, end_s: float) -> list[Span]:
    """What lies between two moments and is not speech."""
    edges = [(start_s, start_s), *within(spans, start_s, end_s), (end_s, end_s)]
    return [(before[1], after[0]) for before, after in pairwise(edges) if after[0] > before[1]]


def utterances(track: Track, duration_s: float) -> list[Span]:
    """Where a recording is cut: stretches of 3 to 15 s (`clip_shortest_s`, `clip_longest_s`) that hold speech.

    Cut in pauses; through speech only where nobody pauses within the longest clip, and there at the least likely
    moment. A recording shorter than the shortest clip is one clip. At most `max_clips_per_source`, spread over
    the recording's length. Empty if nobody speaks.
    """
    current = settings.current()
    speech = track.speech()
    if not speech:
        return []
    if duration_s <= current.clip_shortest_s:
        return [(0.0, duration_s)]
    passages: list[list[Span]] = [[speech[0]]]
    for before, span in pairwise(speech):
        if span[0] - before[1] > MAX_INNER_PAUSE_S:
            passages.append([])
        passages[-1].append(span)
    spans = [part for passage in passages for part in _parts(track, passage)]
    spans = _without_overlap([_widened(span, speech, duration_s) for span in spans])
    return _spread([span for span in spans if span[1] - span[0] >= current.clip_shortest_s - STEP_S])


def _parts(track: Track, passage: list[Span]) -> list[Span]:
    """Divide a passage into parts of at most the longest clip, as few as go, at its longest pauses in reach."""
    current = settings.current()
    shortest, longest = current.clip_shortest_s, current.clip_longest_s
    start_s, end_s = passage[0][0], passage[-1][1]
    parts: list[Span] = []
    while end_s - start_s > longest:
        # Not so late that what is left is too short to be a clip, if it is to be the last.
        latest = min(start_s + longest, end_s - shortest)
        gaps = [gap for gap in pauses(passage, start_s, end_s) if gap[0] > start_s + shortest and gap[0] <= latest]
        if gaps:
            left, right = max(gaps, key=lambda gap: (min(gap[1] - gap[0], 0.5), gap[0]))
        else:
            left = right = track.least_likely(start_s + (shortest + longest) / 2, latest)
        parts.append((start_s, left))
        start_s = right
    return [*parts, (start_s, end_s)]


def _widened(span: Span, speech: list[Span], duration_s: float) -> Span:
    """A stretch with up to 0.15 s of the pauses around it, or as much as the shortest clip takes; never into speech."""
    start_s, end_s = span
    if any((a < start_s - 1e-6 and start_s + 1e-6 < b) or (a < end_s - 1e-6 and end_s + 1e-6 < b) for a, b in speech):
        return span  # cut through speech for want of a pause: its neighbour begins right there
    missing_s = settings.current().clip_shortest_s - (end_s - start_s)
    before = start_s - max((end for _, end in speech if end <= start_s + 1e-6), default=0.0)
    after = min((start for start, _ in speech if start >= end_s - 1e-6), default=duration_s) - end_s
    # Each side gets at most half of its pause, so that neighbours never meet, but for the ends of the recording.
    room_before = before if before >= start_s else before / 2
    room_after = after if end_s + after >= duration_s else after / 2
    pad_s = max(min(0.15, (settings.current().clip_longest_s - (end_s - start_s)) / 2), 0.0)
    left = min(max(missing_s / 2, missing_s - room_after, pad_s), max(room_before, 0.0))
    right = min(max(missing_s - left, pad_s), max(room_after, 0.0))
    return start_s - left, min(end_s + right, duration_s)


def _without_overlap(spans: list[Span]) -> list[Span]:
    """Join stretches too short to be a clip with the next one where both fit into the longest clip."""
    current = settings.current()
    joined: list[Span] = []
    for span in spans:
        if joined:
            start_s, end_s = joined[-1]
            is_short = min(end_s - start_s, span[1] - span[0]) < current.clip_shortest_s
            if is_short and span[1] - start_s <= current.clip_longest_s:
                joined[-1] = (start_s, span[1])
                continue
        joined.append(span)
    return joined


def _spread(spans: list[Span]) -> list[Span]:
    """At most `max_clips_per_source` of the stretches, evenly from first to last."""
    n_max = settings.current().max_clips_per_source
    if len(spans) <= n_max:
        return spans
    step = len(spans) / n_max
    return [spans[int((i + 0.5) * step)] for i in range(n_max)]


def settle(start_s: float, end_s: float, speech: list[Span], duration_s: float) -> Span:
    """A given stretch, its edges moved out of speech by at most 0.2 s where a pause is that near."""
    return _moved(start_s, speech, 0.0), max(_moved(end_s, speech, duration_s), start_s + MAX_SHIFT_S)


def _moved(moment_s: float, speech: list[Span], edge_s: float) -> float:
    """A moment, moved to the nearest pause within 0.2 s; as it is if it lies in one, or none is near."""
    span = next(((a, b) for a, b in speech if a < moment_s < b), None)
    if span is None:
        return moment_s
    near = [edge for edge in span if abs(edge - moment_s) <= MAX_SHIFT_S] + [edge_s] * (
        abs(edge_s - moment_s) <= MAX_SHIFT_S
    )
    return min(near, key=lambda edge: abs(edge - moment_s), default=moment_s)
