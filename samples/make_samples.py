"""Make the sample recordings of recordings.yaml with espeak-ng and ffmpeg.

Run by hand, from the repository root, when recordings.yaml changes:

    .venv/bin/python samples/make_samples.py

Writes media/*, timeline.json (what is said when) and sources.yaml (what the demo harvests). The same versions
of espeak-ng and ffmpeg give the same bytes; another espeak-ng may move every pause, which is why the windows
in sources.yaml are worked out from the pauses and not written by hand.
"""

from __future__ import annotations

import io
import json
import math
import subprocess
import tempfile
import zlib
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import soundfile as sf
import yaml

HERE = Path(__file__).resolve().parent
SPEECH_RATE_HZ = 22050  # what espeak-ng puts out
LEAD_S = 0.7
TAIL_S = 0.8
WINDOW_MARGIN_S = 0.3  # how far a window reaches into the pauses around its sentences
VOICE_RMS = 0.08
SILENCE_PEAK = 0.004  # below this, what espeak-ng puts around a sentence counts as silence
PICTURE = "size=160x120:rate=5"
# Without these ffmpeg writes its version, random ids and the time of day into the containers, and interleaves
# sound and picture as its threads happen to finish.
BITEXACT = [
    "-map_metadata",
    "-1",
    "-fflags",
    "+bitexact",
    "-flags:v",
    "+bitexact",
    "-flags:a",
    "+bitexact",
    "-threads",
    "1",
    "-max_interleave_delta",
    "0",
]
AUDIO_CODEC = {
    ".mp4": ["-c:a", "aac", "-b:a", "48k"],
    ".m4a": ["-c:a", "aac", "-b:a", "48k"],
    ".mp3": ["-c:a", "libmp3lame", "-b:a", "48k", "-write_xing", "1"],
    ".webm": ["-c:a", "libopus", "-b:a", "24k", "-application", "voip"],
}
VIDEO_CODEC = ["-c:v", "libx264", "-preset", "veryslow", "-crf", "38", "-pix_fmt", "yuv420p", "-g", "250"]


def seed_of(name: str) -> int:
    """Return a seed that belongs to a name, so that one recording's noise doesn't depend on the others."""
    return zlib.crc32(name.encode())


def speak(text: str, voice: str, speed_wpm: int, pitch: int) -> np.ndarray:
    """Return one spoken sentence at SPEECH_RATE_HZ, without the silence around it."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed_wpm), "-p", str(pitch), "--stdout", text]
    spoken = subprocess.run(command, check=True, capture_output=True).stdout
    # espeak-ng can't seek back on a pipe and leaves a false data size in its 44 bytes of header.
    samples = np.frombuffer(spoken[44:], dtype="<i2").astype(np.float64) / 32768
    loud = np.flatnonzero(np.abs(samples) > SILENCE_PEAK)
    return samples[loud[0] : loud[-1] + 1]


def line_up(sentences: list[np.ndarray], gap_s: float) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Put sentences one after another with pauses; return the track and each sentence's (start_s, end_s)."""
    pieces = [np.zeros(round(LEAD_S * SPEECH_RATE_HZ))]
    times_s = []
    position = len(pieces[0])
    for number, sentence in enumerate(sentences):
        pause_s = gap_s if number < len(sentences) - 1 else TAIL_S
        times_s.append((position / SPEECH_RATE_HZ, (position + len(sentence)) / SPEECH_RATE_HZ))
        pieces += [sentence, np.zeros(round(pause_s * SPEECH_RATE_HZ))]
        position += len(pieces[-2]) + len(pieces[-1])
    return np.concatenate(pieces), times_s


def rms(track: np.ndarray) -> float:
    """Return the root mean square of the part of a track that isn't silent."""
    heard = track[np.abs(track) > SILENCE_PEAK / 2]
    return float(np.sqrt(np.mean(heard**2))) if len(heard) else 1.0


def low_pass(noise: np.ndarray, width: int) -> np.ndarray:
    """Return noise smoothed over `width` samples, twice, which takes away its hiss."""
    kernel = np.ones(width) / width
    return np.convolve(np.convolve(noise, kernel, "same"), kernel, "same")


def hiss(n_samples: int, seed: int) -> np.ndarray:
    """Return the even noise of a cheap microphone."""
    return np.random.default_rng(seed).standard_normal(n_samples)


def traffic(n_samples: int, seed: int) -> np.ndarray:
    """Return a low rumble that swells and fades, as cars passing by do."""
    t_s = np.arange(n_samples) / SPEECH_RATE_HZ
    return low_pass(hiss(n_samples, seed), 60) * (0.6 + 0.4 * np.sin(2 * np.pi * t_s / 4.7))


def music(n_samples: int, seed: int) -> np.ndarray:
    """Return slow soft chords; the seed picks the order."""
    chords_hz = np.array([[220.0, 277.2, 329.6], [196.0, 246.9, 293.7], [174.6, 220.0, 261.6], [164.8, 207.7, 246.9]])
    order = np.random.default_rng(seed).permutation(len(chords_hz))
    t_s = np.arange(n_samples) / SPEECH_RATE_HZ
    which = order[(t_s // 2).astype(int) % len(order)]
    fade = np.sin(np.pi * (t_s % 2) / 2)
    return fade * sum(np.sin(2 * np.pi * chords_hz[which, voice] * t_s) for voice in range(3))


def birds(n_samples: int, seed: int) -> np.ndarray:
    """Return short rising whistles at irregular times."""
    random = np.random.default_rng(seed)
    track = np.zeros(n_samples)
    chirp_s = np.arange(round(0.12 * SPEECH_RATE_HZ)) / SPEECH_RATE_HZ
    for start in random.integers(0, n_samples - len(chirp_s), size=n_samples // SPEECH_RATE_HZ):
        low_hz = random.uniform(2500, 3500)
        phase = 2 * np.pi * (low_hz * chirp_s + 4000 * chirp_s**2)
        track[start : start + len(chirp_s)] += np.sin(phase) * np.sin(np.pi * chirp_s / 0.12)
    return track


BACKGROUND = {"hiss": hiss, "traffic": traffic, "music": music, "birds": birds}


def background_of(recording: dict, n_samples: int) -> np.ndarray:
    """Return a recording's background at its level relative to the voice; silence where it names none."""
    if "background" not in recording:
        return np.zeros(n_samples)
    noise = BACKGROUND[recording["background"]](n_samples, seed_of(recording["path"]))
    noise_rms = float(np.sqrt(np.mean(noise**2)))
    return noise / noise_rms * VOICE_RMS * 10 ** (recording["background_db"] / 20)


def channels_of(layout: str, voice: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return frames × channels: the voice left of the middle in stereo, in the centre speaker in 5.1."""
    if layout == "stereo":
        return np.stack([0.9 * voice + noise, 0.5 * voice + noise], axis=1)
    if layout == "5.1":  # front left, front right, centre, low, back left, back right
        silence = np.zeros(len(voice))
        return np.stack([noise, noise, voice, silence, 0.5 * noise, 0.5 * noise], axis=1)
    return (voice + noise)[:, None]


def ffmpeg(*arguments: str) -> None:
    """Run the ffmpeg of imageio-ffmpeg, which is the one that the pipeline uses, too."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", *arguments]
    subprocess.run(command, check=True)


def picture_of(name: str) -> str:
    """Return ffmpeg's description of a plain picture in a colour that belongs to the name."""
    return f"color=color=0x{seed_of(name) & 0x7F7F7F:06x}:{PICTURE}"


def encode(track: np.ndarray, path: Path, rate_hz: int, layout: str = "mono", is_index_first: bool = True) -> None:
    """Write frames × channels in the container that the path's ending names."""
    codec = list(AUDIO_CODEC[path.suffix])
    if layout == "5.1":
        codec[codec.index("-b:a") + 1] = "112k"
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "track.wav"
        sf.write(wav, np.clip(track, -1, 1), SPEECH_RATE_HZ, subtype="PCM_16")
        inputs, extra = ["-channel_layout", layout, "-i", str(wav)], []
        if path.suffix == ".mp4":
            duration_s = f"{len(track) / SPEECH_RATE_HZ:.3f}"
            inputs += ["-f", "lavfi", "-t", duration_s, "-i", picture_of(path.name)]
            extra += ["-map", "0:a", "-map", "1:v", *VIDEO_CODEC]
        if path.suffix in (".mp4", ".m4a") and is_index_first:
            extra += ["-movflags", "+faststart"]
        ffmpeg(*inputs, *extra, *codec, "-ar", str(rate_hz), *BITEXACT, str(path))


def track_of(recording: dict) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Return a recording's frames × channels and the times of its sentences."""
    said = [
        speak(text, recording["voice"], recording["speed_wpm"], recording["pitch"]) for text in recording["sentences"]
    ]
    voice, times_s = line_up(said, recording["gap_s"])
    voice = voice / rms(voice) * VOICE_RMS
    noise = background_of(recording, len(voice))
    gain = 10 ** (recording.get("gain_db", 0) / 20)
    return gain * channels_of(recording.get("layout", "mono"), voice, noise), times_s


def decode(path: Path) -> np.ndarray:
    """Return what ffmpeg gets out of a file, mono at 16 kHz; nothing where it gets nothing."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-i", str(path), "-map", "0:a:0"]
    wanted = ["-ac", "1", "-ar", "16000", "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(command + wanted, check=False, capture_output=True).stdout, dtype="<i2")


def window_of(times_s: list[tuple[float, float]], first: int, last: int, duration_s: float) -> dict:
    """Return the window around sentences first..last, on tenths of a second, inside the recording."""
    start_s = max(0.0, times_s[first][0] - WINDOW_MARGIN_S)
    end_s = min(duration_s, times_s[last][1] + WINDOW_MARGIN_S)
    return {"start_s": round(start_s, 1), "end_s": math.floor(end_s * 10) / 10}


def make_good(recording: dict) -> dict:
    """Write one good recording; return its entry of timeline.json."""
    path = HERE / recording["path"]
    track, times_s = track_of(recording)
    encode(track, path, recording["rate_hz"], recording.get("layout", "mono"))
    duration_s = len(decode(path)) / 16000
    return {
        "path": recording["path"],
        "duration_s": round(duration_s, 2),
        "windows": [window_of(times_s, first, last, duration_s) for first, last in recording.get("windows", [])],
        "sentences": [
            {"start_s": round(start_s, 2), "end_s": round(end_s, 2), "text": text}
            for (start_s, end_s), text in zip(times_s, recording["sentences"], strict=True)
        ],
    }


def video_without_audio(path: Path, _: dict | None) -> None:
    """Write five seconds of picture."""
    ffmpeg("-f", "lavfi", "-t", "5", "-i", picture_of(path.name), *VIDEO_CODEC, *BITEXACT, str(path))


def mp4_without_index(path: Path, recording: dict) -> None:
    """Write an mp4 whose index stands at the end, and cut the end off: no player can open it."""
    encode(track_of(recording)[0], path, recording["rate_hz"], is_index_first=False)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def m4a_with_lost_half(path: Path, recording: dict) -> None:
    """Write an m4a whose index stands first, and cut it in half: it promises more than it plays."""
    encode(track_of(recording)[0], path, recording["rate_hz"])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def music_without_speech(path: Path, _: dict | None) -> None:
    """Write seven seconds of chords."""
    track = music(7 * SPEECH_RATE_HZ, seed_of(path.name))
    encode(0.1 * track[:, None], path, 44100)


def html_page(path: Path, _: dict | None) -> None:
    """Write what a server says instead of sending the file."""
    body = "<html><head><title>Sorry</title></head><body>This recording has moved.</body></html>"
    path.write_text(f"<!DOCTYPE html>\n{body}\n")


def empty_file(path: Path, _: dict | None) -> None:
    """Write nothing."""
    path.write_bytes(b"")


SPOIL = {
    function.__name__: function
    for function in (
        video_without_audio,
        mp4_without_index,
        m4a_with_lost_half,
        music_without_speech,
        html_page,
        empty_file,
    )
}


def source_line(path: str, start_s: float | None = None, end_s: float | None = None, note: str = "") -> str:
    """Return one entry of sources.yaml."""
    window = "" if start_s is None else f", start_s: {start_s}, end_s: {end_s}"
    return f"- {{path: {path}{window}}}" + (f"  # {note}" if note else "") + "\n"


def sources_text(timeline: list[dict], extra_sources: list[dict]) -> str:
    """Return sources.yaml: good windows first, then what must be cut automatically, then what must fail."""
    out = io.StringIO()
    out.write("# What the demo harvests: recordings, and windows in them. No window means: cut it automatically.\n")
    out.write("# Written by make_samples.py from recordings.yaml.\n\n")
    for entry in timeline:
        for window in entry["windows"]:
            out.write(source_line(entry["path"], **window))
    out.write("\n# cut automatically\n")
    out.writelines(source_line(entry["path"]) for entry in timeline if not entry["windows"])
    out.write("\n# each of these goes wrong in its own way\n")
    out.writelines(source_line(**entry) for entry in extra_sources)
    return out.getvalue()


def main() -> None:
    """Write every file."""
    plan = yaml.safe_load((HERE / "recordings.yaml").read_text())
    (HERE / "media").mkdir(exist_ok=True)
    timeline = [make_good(recording) for recording in plan["recordings"]]
    by_path = {recording["path"]: recording for recording in plan["recordings"]}
    for broken in plan["broken"]:
        SPOIL[broken["kind"]](HERE / broken["path"], by_path.get(broken.get("speaks")))
    (HERE / "timeline.json").write_text(json.dumps(timeline, indent=1, ensure_ascii=False) + "\n")
    (HERE / "sources.yaml").write_text(sources_text(timeline, plan["extra_sources"]))


if __name__ == "__main__":
    main()
