import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import soundfile
import soxr
from conftest import RATE_HZ, chirp
from numpy.typing import NDArray

from include import audio, decoders, loudness, sandbox, settings

Recording = Callable[..., Path]


@pytest.fixture(autouse=True)
def _default_settings() -> Iterator[None]:
    settings.configure()
    yield
    settings.configure()


VIDEO = ("-f", "lavfi", "-i", "testsrc=duration=12:size=64x48:rate=25", "-map", "0:a", "-map", "1:v", "-shortest")


def error_ms(samples: NDArray[np.int16], start_ms: int) -> float:
    """How far a cut of the 12 s chirp is from where it should be: the lag of the best match within ±0.3 s."""
    margin = int(0.3 * RATE_HZ)
    samples = samples[: RATE_HZ // 2]
    start = start_ms * RATE_HZ // 1000
    around = chirp(13)[start - margin : start + margin + len(samples)]
    best = np.argmax(np.correlate(around, samples.astype(float), "valid"))
    return float(abs(best - margin) * 1000 / RATE_HZ)


def samples_of(path: Path) -> NDArray[np.float32]:
    """All that decoding gives."""
    recording = audio.decode(path)
    return recording.read(0, recording.n_samples * 1000 / RATE_HZ)


def ffmpeg(*arguments: object) -> None:
    command = [settings.current().ffmpeg_path, "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("talk.m4a", ()),
        ("talk.webm", ()),
        ("talk.mp3", ()),
        ("talk.ogg", ()),
        ("talk.mp4", VIDEO),
        ("talk.mkv", (*VIDEO, "-ar", "44100")),
        ("talk.aac", ()),
        ("talk.ts", (*VIDEO, "-c:a", "aac", "-ar", "48000")),
        ("talk.mp4", ("-movflags", "+frag_keyframe+empty_moov")),
        ("talk.mp4", (*VIDEO, "-movflags", "+frag_keyframe+delay_moov")),
    ],
)
def test_a_cut_is_where_it_should_be(recording: Recording, name: str, options: tuple[str, ...]) -> None:
    pcm = audio.decode(recording(name, 12, options=options))
    for start_ms in (500, 5_250, 10_001):
        samples = pcm.read(start_ms, start_ms + 1500)
        assert len(samples) == 1500 * RATE_HZ // 1000
        assert error_ms(samples, start_ms) <= 5


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_sound_that_begins_after_the_picture_is_cut_at_the_players_times(
    recording: Recording, tmp_path: Path, suffix: str
) -> None:
    late = tmp_path / f"late.{suffix}"
    ffmpeg(*VIDEO[:4], "-itsoffset", "0.5", "-i", recording("talk.wav", 11), late)
    samples = audio.decode(late).read(3500, 5000)
    assert error_ms(samples, 3000) <= 5


def test_what_is_left_out_before_the_sound_moves_nothing_after_the_first_block(recording: Recording) -> None:
    decoded = audio.decode(recording("talk.ts", 12, options=("-c:a", "aac")))
    assert audio.BLOCK_S == 10
    assert error_ms(decoded.read(10_001, 11_500), 10_001) < 0.1
    assert decoded.peaks[1100] == pytest.approx(np.abs(decoded.read(11_000, 11_010)).max())


def ways_taken(path: Path) -> tuple[list[str], audio.Recording]:
    """By which commands a file was decoded, and what came of it."""
    with (
        mock.patch.object(decoders, "quick", side_effect=decoders.quick) as quick,
        mock.patch.object(decoders, "thorough", side_effect=decoders.thorough) as thorough,
    ):
        decoded = audio.decode(path)
    return ["quick"] * quick.call_count + ["thorough"] * thorough.call_count, decoded


@pytest.mark.parametrize("name", ["talk.m4a", "talk.webm", "talk.mp4", "a:b,c'd%d[0];e\\f=g.m4a"])
@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_the_quick_way_gives_what_the_thorough_one_gives(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, n_channels: int
) -> None:
    samples = np.stack([chirp(12) / (n + 1) for n in range(n_channels)], axis=1)
    made = recording(f"made{Path(name).suffix}", 12, samples=samples, options=VIDEO if name == "talk.mp4" else ())
    path = made.rename(tmp_path / name)
    taken, quick = ways_taken(path)
    assert taken == ["quick"]
    monkeypatch.setattr(decoders, "QUICK_CODECS", ())
    taken, thorough = ways_taken(path)
    assert taken == ["thorough"]
    assert quick.n_channels == thorough.n_channels == n_channels
    for found in ("n_samples", "announced_s", "n_streams", "complaint"):
        assert getattr(quick, found) == getattr(thorough, found)
    assert quick.pcm_path.read_bytes() == thorough.pcm_path.read_bytes()
    assert len(quick.fingerprint) > 32
    assert np.array_equal(quick.fingerprint, thorough.fingerprint)


@pytest.mark.parametrize(
    ("damage", "ways"),
    [("cut", ["quick", "thorough"]), ("scratched", ["quick", "thorough"]), ("late start", ["thorough"])],
)
def test_a_file_that_is_not_quite_right_is_decoded_the_thorough_way(
    recording: Recording, tmp_path: Path, damage: str, ways: list[str]
) -> None:
    path = recording("talk.webm", 12)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "scratched":
        content[len(content) // 2 : len(content) // 2 + 3000] = bytes(3000)
        path.write_bytes(content)
    else:
        late = tmp_path / "late.mp4"
        ffmpeg("-i", recording("talk.wav", 12), "-output_ts_offset", "5", late)
        path = late
    taken, decoded = ways_taken(path)
    assert taken == ways
    assert decoded.duration_s > 4
    assert [folder.name for folder in path.parent.glob("decoded-*")] == [decoded.pcm_path.parent.name]


def test_two_decodings_give_the_same_bytes(recording: Recording) -> None:
    path = recording("talk.webm", 3)
    first, second = (audio.encode_flac(audio.to_pcm(samples_of(path), 3.0)) for _ in range(2))
    assert first == second


def test_flac_holds_the_very_samples_and_no_words(recording: Recording) -> None:
    decoded = audio.decode(recording("talk.m4a", 3, options=("-metadata", "title=Secret")))
    samples = audio.to_pcm(decoded.read(1000, 2500), -1.5)
    flac = audio.encode_flac(samples)
    read, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16")
    assert (rate_hz, read.shape) == (RATE_HZ, (36_000,))
    assert np.array_equal(read, samples)
    assert soundfile.info(io.BytesIO(flac)).subtype == "PCM_16"
    assert b"Secret" not in flac


def test_a_recording_without_sound_is_refused(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    ffmpeg(*VIDEO[:4], "-t", "1", silent)
    with pytest.raises(audio.Undecodable, match=r"^no audio stream$"):
        audio.decode(silent)


def test_a_recording_that_breaks_off_gives_what_there_is(recording: Recording, tmp_path: Path) -> None:
    whole = recording("talk.webm", 12).read_bytes()
    half = tmp_path / "half.webm"
    half.write_bytes(whole[: len(whole) // 2])
    pcm = audio.decode(half)
    assert 4 < pcm.duration_s < 8
    assert error_ms(pcm.read(2000, 3500), 2000) <= 5
    with pytest.raises(audio.Undecodable, match=r"past the end: the recording has \d\.\d\d s"):
        pcm.read(9000, 10_000)


def test_a_recording_whose_index_is_missing_is_refused(recording: Recording, tmp_path: Path) -> None:
    whole = recording("talk.mp4", 5).read_bytes()
    half = tmp_path / "half.mp4"
    half.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(audio.Undecodable, match=r"^nothing could be decoded: moov atom not found$"):
        audio.decode(half)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("talk.mp4", b""),
        ("talk.mp3", b"\0"),
        ("talk.mp4", b"Just a text.\n" * 100),
        ("-talk.webm", b"<html><body>404</body></html>"),
        ("a:b,c'd%d.mp3", b"ftyp" * 99),
    ],
)
def test_what_is_no_recording_is_refused_whatever_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(audio.Undecodable) as refusal:
        audio.decode(tmp_path / name)
    assert str(refusal.value).startswith("nothing could be decoded: ")
    assert "@ 0x" not in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


@pytest.mark.parametrize("name", ["a:b.mp3", "-i.mp3", "%d,'x.mp3"])
def test_a_name_that_means_something_to_ffmpeg_is_a_name(recording: Recording, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(recording("talk.mp3", 1).read_bytes())
    assert audio.decode(path).n_samples == RATE_HZ


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8"])
@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile secret.wav\n",
        "ffconcat version 1.0\nfile '{folder}/secret.wav'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{folder}/secret.ts\n#EXT-X-ENDLIST\n",
        '<?xml version="1.0"?><MPD type="static" mediaPresentationDuration="PT2S"><Period><AdaptationSet>'
        '<Representation id="1" mimeType="audio/wav" bandwidth="1"><BaseURL>secret.wav</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
    ],
)
def test_a_file_that_names_another_file_does_not_make_it_read(
    recording: Recording, tmp_path: Path, name: str, content: str
) -> None:
    folder = recording("secret.ts" if "secret.ts" in content else "secret.wav", 2).parent
    (folder / name).write_text(content.format(folder=folder))
    with pytest.raises(audio.Undecodable):
        audio.decode(folder / name)
    assert list(folder.rglob("pcm")) == []


def test_stereo_folds_to_mono(recording: Recording) -> None:
    both = np.stack([chirp(2), np.zeros(2 * RATE_HZ)], axis=1)
    samples = samples_of(recording("talk.flac", 2, samples=both))
    assert np.abs(samples - chirp(2) / 2).max() < 0.01


def test_the_centre_of_5_1_stays_audible(recording: Recording) -> None:
    channels = np.zeros((2 * RATE_HZ, 6))
    channels[:, 2] = chirp(2)
    samples = samples_of(recording("talk.m4a", 2, samples=channels, options=("-b:a", "256k")))
    assert len(samples) == 2 * RATE_HZ
    assert np.sqrt(np.mean(samples[: len(chirp(2))] ** 2)) > 0.04


def test_a_telephones_rate_is_resampled(recording: Recording) -> None:
    path = recording("talk.wav", 12, options=("-ar", "8000"))
    assert soundfile.info(path).samplerate == 8000
    pcm = audio.decode(path)
    assert pcm.n_samples == 12 * RATE_HZ
    assert error_ms(pcm.read(6000, 8000), 6000) <= 5


@pytest.mark.parametrize(("start_ms", "end_ms"), [(9000, 10_251), (10_100, 10_200), (10_000, 10_100), (45_000, 53_000)])
def test_a_window_past_the_end_is_refused(recording: Recording, start_ms: int, end_ms: int) -> None:
    decoded = audio.decode(recording("talk.flac", 10))
    with pytest.raises(audio.Undecodable, match=r"past the end: the recording has 10\.00 s"):
        decoded.read(start_ms, end_ms)
    assert len(decoded.read(9000, 10_250)) == RATE_HZ  # slightly past it, it keeps its true length


def test_a_recording_over_the_limit_is_refused_without_being_decoded_whole(recording: Recording) -> None:
    path = recording("talk.flac", 12)
    settings.configure(max_source_s=2.0)
    with pytest.raises(audio.Undecodable, match=r"^too_large: longer than 2 s$"):
        audio.decode(path)
    (spool,) = path.parent.glob("decoded-*/pcm")
    assert spool.stat().st_size <= 3 * RATE_HZ * 4
    settings.configure(max_source_s=12.0)
    assert audio.decode(path).n_samples == 12 * RATE_HZ


def test_ffmpeg_is_stopped_when_its_time_is_over(tmp_path: Path) -> None:
    hanging = tmp_path / "ffmpeg"
    hanging.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    hanging.chmod(0o755)
    settings.configure(ffmpeg=str(hanging), decode_timeout_s=0.3)
    started_at = time.monotonic()
    (tmp_path / "talk.mp4").write_bytes(b"talk")
    with pytest.raises(audio.Undecodable, match=r"^too_large: not decoded within 0\.3 s"):
        audio.decode(tmp_path / "talk.mp4")
    assert time.monotonic() - started_at < 10


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", ""),
        ("[error]  ", ""),
        ("[info] all is well", ""),
        (
            "[in#0 @ 0x5588ed8302c0] [error] moov atom not found\n[fatal] Error opening input files",
            "moov atom not found",
        ),
        ("[aist#0:0/aac @ 0x1a] [dec:aac @ 0x2b] [error] Error submitting packet", "Error submitting packet"),
        ("[error] [dec:aac @ 0x2b] Error submitting packet", "Error submitting packet"),
        ("[error] " + "x" * 9999, "x" * 300),
    ],
)
def test_the_first_complaint_is_what_is_said(line: str, complaint: str) -> None:
    said = sandbox.Said()
    said.listen(io.BytesIO(line.encode()))
    assert said.complaint == complaint


def test_what_a_file_announces_is_told_from_what_it_is_made_into() -> None:
    said = sandbox.Said()
    said.listen(
        io.BytesIO(
            b"[info]   Duration: 01:02:46.57, start: 0.0\n[info]   Stream #0:0[0x1](und): Audio: aac\n"
            b"[info]   Stream #0:1: Video: h264\n[info]   Stream #0:2(eng): Audio: opus\n[info] Stream mapping:\n"
            b"[info] Output #0, wav\n[info]   Stream #0:0: Audio: pcm_f32le\n"
        )
    )
    assert (said.announced_s, len(said.audio)) == (3766.57, 2)


def test_a_file_that_announces_minutes_and_holds_nothing_is_refused(recording: Recording, tmp_path: Path) -> None:
    options = ("-movflags", "+faststart", "-c:a", "alac")
    whole = recording("talk.m4a", 60, samples=np.random.default_rng(1).normal(0, 0.1, 60 * RATE_HZ), options=options)
    content = whole.read_bytes()
    (tmp_path / "lie.m4a").write_bytes(content[: content.index(b"mdat") + 12])
    with pytest.raises(audio.Undecodable, match=r"^nothing could be decoded: announces 60 s of audio, none of it"):
        audio.decode(tmp_path / "lie.m4a")


def test_a_file_that_announces_more_than_it_holds_gives_what_there_is_and_says_so(recording: Recording) -> None:
    whole = recording("talk.flac", 12)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    decoded = audio.decode(whole)
    assert 2 < decoded.duration_s < 6
    assert decoded.warning == f"announces 12.0 s, {decoded.duration_s:.2f} s decoded"
    assert error_ms(decoded.read(500, 2000), 500) <= 5


def test_a_decoder_that_takes_too_much_memory_is_a_refusal(recording: Recording) -> None:
    path = recording("talk.m4a", 2)
    settings.configure(decode_memory_bytes=100 * 1024**2)
    # It dies where it first asks for too much, sometimes before it can say so.
    with pytest.raises(audio.Undecodable, match=r"^too_large: more than 100 MiB of memory to decode|^nothing could be"):
        audio.decode(path)


def test_a_decoder_that_works_for_ever_is_a_refusal(recording: Recording, tmp_path: Path) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text("#!/bin/sh\nwhile :; do :; done\n")
    script.chmod(0o755)
    path = recording("talk.wav", 1)
    settings.configure(ffmpeg=str(script), decode_cpu_s=1.0)
    with pytest.raises(audio.Undecodable, match=r"^too_large: more than 1 s of CPU to decode$"):
        audio.decode(path)


def test_ffmpeg_sees_no_credentials_and_only_an_empty_folder(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    script = tmp_path / "ffmpeg"
    script.write_text(
        '#!/bin/sh\n/usr/bin/env > "$OLDPWD../seen" 2>/dev/null || /usr/bin/env > ../seen\n/bin/ls -A >> ../seen\n'
    )
    script.chmod(0o755)
    path = recording("talk.wav", 1)
    settings.configure(ffmpeg=str(script))
    with pytest.raises(audio.Undecodable):
        audio.decode(path)
    seen = (path.parent / "seen").read_text().split()
    assert [line for line in seen if not line.startswith(("PWD=", "OLDPWD=", "SHLVL=", "_="))] == []


def test_too_many_channels_are_refused(recording: Recording) -> None:
    settings.configure(max_channels=2)
    with pytest.raises(audio.Undecodable, match=r"^too_large: 4 channels$"):
        audio.decode(recording("talk.wav", 1, samples=np.zeros((RATE_HZ, 4))))


def test_channels_of_opposite_sign_do_not_fold_to_silence(recording: Recording) -> None:
    decoded = audio.decode(recording("talk.flac", 2, samples=np.stack([chirp(2), -chirp(2)], axis=1)))
    assert np.abs(decoded.read(0, 2000) - chirp(2)).max() < 0.01


def test_a_file_of_floats_may_hold_what_is_no_number(recording: Recording, tmp_path: Path) -> None:
    samples = chirp(2).astype(np.float32)
    samples[5000:5010] = [np.nan, np.inf, -np.inf, 1e30, -1e30] * 2
    soundfile.write(tmp_path / "odd.wav", samples, RATE_HZ, subtype="FLOAT")
    assert np.isfinite(samples_of(tmp_path / "odd.wav")).all()


def test_the_first_stream_in_which_somebody_speaks_is_taken(recording: Recording, tmp_path: Path) -> None:
    both = tmp_path / "both.mkv"
    talk = settings.ROOT / "samples" / "media" / "exam_result.mp4"
    ffmpeg("-i", recording("tone.flac", 15), "-i", talk, "-map", "0:a", "-map", "1:a", both)
    decoded = audio.decode(both)
    assert decoded.n_streams == 2
    assert decoded.track.speech()


def test_192_khz_is_resampled(recording: Recording) -> None:
    path = recording("talk.wav", 4, options=("-ar", "192000"))
    decoded = audio.decode(path)
    assert decoded.n_samples == 4 * RATE_HZ
    assert error_ms(decoded.read(1000, 3000), 1000) <= 5


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_another_rate_can_be_set(recording: Recording, rate_hz: int) -> None:
    settings.configure(sample_rate_hz=rate_hz)
    decoded = audio.decode(recording("talk.flac", 2))
    assert decoded.n_samples == 2 * rate_hz
    flac = audio.encode_flac(audio.to_pcm(decoded.read(0, 1000), 0.0))
    assert soundfile.info(io.BytesIO(flac)).samplerate == rate_hz


def peak_memory_bytes(duration_s: int, folder: Path) -> float:
    """Most memory that a process held which decoded a recording of this length and read a clip at its end."""
    path = folder / f"long-{duration_s}.flac"
    ffmpeg("-f", "lavfi", "-i", f"anoisesrc=a=0.05:r=8000:d={duration_s}", path)  # all of it is to be decoded
    code = (
        "import re, sys; from pathlib import Path; from include import audio\n"
        "r = audio.decode(Path(sys.argv[1])); r.true_peak(); r.track.speech()\n"
        f"assert len(r.read({duration_s * 1000 - 6000}, {duration_s * 1000 - 1000})) == 5 * r.rate_hz\n"
        # Not ru_maxrss: that remembers the process from which this one was started.
        "print(r.duration_s, re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    run = subprocess.run([sys.executable, "-c", code, path], cwd=settings.ROOT, capture_output=True, check=True)
    decoded_s, peak_kb = map(float, run.stdout.split())
    assert decoded_s == duration_s
    return peak_kb * 1024


def test_a_recording_of_hours_takes_as_little_memory_as_one_of_minutes(tmp_path: Path) -> None:
    short, long = (peak_memory_bytes(duration_s, tmp_path) for duration_s in (200, 1200))
    three_hours = short + max(long - short, 0) * (3 * 3600 - 200) / 1000
    assert three_hours < 400 * 1024**2


@pytest.mark.parametrize("at_s", [0.0, 9.9999, 25.0, 29.999])
def test_the_true_peak_of_a_recording_is_found_wherever_it_is(recording: Recording, at_s: float) -> None:
    samples = chirp(30) / 10
    start = min(int(at_s * RATE_HZ), len(samples) - 100)
    samples[start : start + 100] += 0.6 * np.sin(np.pi * np.arange(100) / 2 + np.pi / 4) * np.hanning(100)
    decoded = audio.decode(recording("peak.wav", 30, samples=samples))
    whole = soxr.resample(decoded.read(0, 30_000), 1, 8, "VHQ")
    assert decoded.true_peak() == pytest.approx(np.abs(whole).max(), rel=0.02)  # 0.2 dB


def test_the_gain_brings_a_source_to_the_target_but_no_peak_over_the_limit(recording: Recording) -> None:
    quiet = audio.decode(recording("quiet.wav", 4, samples=chirp(4) / 30))
    assert quiet.loudness_lufs is not None
    assert audio.source_gain_db(quiet, 0.01) == pytest.approx(-23 - quiet.loudness_lufs, abs=0.02)
    clicks = chirp(4) / 30
    clicks[50_000:50_030] = 0.5  # a door slams
    limited = audio.decode(recording("click.wav", 4, samples=clicks))
    gain_db = audio.source_gain_db(limited, 0.01)
    assert 0 < gain_db < audio.source_gain_db(quiet, 0.01)
    assert loudness.true_peak(limited.read(0, 4000)) * 10 ** (gain_db / 20) <= 10 ** (-1 / 20)


def test_silence_is_not_amplified_and_not_dithered(recording: Recording) -> None:
    silent = audio.decode(recording("silence.wav", 1, samples=np.zeros(RATE_HZ)))
    assert audio.source_gain_db(silent, 0.0) == 0.0
    assert not audio.to_pcm(silent.read(0, 1000), 20.0).any()


def test_dither_keeps_what_is_smaller_than_a_step() -> None:
    tone = (0.4 / 32768 * np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ * 4) / RATE_HZ)).astype(np.float32)
    assert not np.rint(tone * 32768).any()  # plain rounding would lose it
    pcm = audio.to_pcm(tone, 0.0)
    assert np.abs(pcm).max() <= 2
    assert np.dot(pcm, tone * 32768) / np.dot(tone, tone) / 32768**2 == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("gain_db", [-7.31, 0.0, 5.5])
def test_a_gain_can_be_undone_to_within_the_dither(gain_db: float) -> None:
    samples = chirp(2).astype(np.float32)
    pcm = audio.to_pcm(samples, gain_db)
    read, _ = soundfile.read(io.BytesIO(audio.encode_flac(pcm)), dtype="int16")
    undone = read / 32_768 / 10 ** (gain_db / 20)
    step = 1 / 32_768 / 10 ** (gain_db / 20)
    assert np.abs(undone - samples).max() <= 1.5 * step + 1e-6  # half a step of rounding, one of dither
