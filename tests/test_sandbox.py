import logging
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import RATE_HZ, Web

from include import audio, sandbox, settings

Recording = Callable[..., Path]


@pytest.fixture(autouse=True)
def _default_settings() -> Iterator[None]:
    settings.configure()
    sandbox._without_network.cache_clear()
    yield
    settings.configure()
    sandbox._without_network.cache_clear()


def stand_in(path: Path, code: str) -> None:
    """Let a Python script at `path` be the ffmpeg."""
    path.write_text(f"#!{sys.executable} -S\n{code}\n")
    path.chmod(0o755)
    settings.configure(ffmpeg=str(path))


ASK = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", {port}), 2).sendall(b"GET /secret HTTP/1.0\\r\\n\\r\\n")
    said = "reached"
except OSError as error:
    said = error.strerror
sys.stderr.write(f"[error] {{said}}\\n")
"""


def test_ffmpeg_reaches_no_network_where_the_kernel_can_see_to_it(
    recording: Recording, web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = recording("talk.wav", 1)
    stand_in(tmp_path / "ffmpeg", ASK.format(port=web.server.server_port))
    with pytest.raises(audio.Undecodable) as refused:
        audio.decode(path)
    # A machine that forbids namespaces says so in the log; elsewhere even this machine's own server is out of reach.
    assert ("reached" in str(refused.value)) == ("ffmpeg runs in this process's network" in caplog.text)
    assert sandbox._without_network() == () or "Network is unreachable" in str(refused.value)


@pytest.mark.parametrize("unshare", [None, "/bin/false"])
def test_where_namespaces_are_forbidden_it_works_and_warns_once(
    recording: Recording, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, unshare: str | None
) -> None:
    path = recording("talk.wav", 1)
    monkeypatch.setattr(sandbox.shutil, "which", lambda _: unshare)
    with caplog.at_level(logging.WARNING):
        assert audio.decode(path).n_samples == RATE_HZ
        assert audio.decode(path).n_samples == RATE_HZ
    assert [record.message.split(",")[0] for record in caplog.records] == ["ffmpeg runs in this process's network"]


def test_it_has_no_capability(recording: Recording, tmp_path: Path) -> None:
    path = recording("talk.wav", 1)
    code = "import sys; print('[error]', [x for x in open('/proc/self/status') if 'CapEff' in x], file=sys.stderr)"
    stand_in(tmp_path / "ffmpeg", code)
    if sandbox._without_network() == ():
        pytest.skip("this kernel forbids user namespaces")
    with pytest.raises(audio.Undecodable, match=r"CapEff:\\t0000000000000000"):
        audio.decode(path)


def test_only_sound_is_asked_of_ffmpeg_within_bounds(recording: Recording, tmp_path: Path) -> None:
    path = recording("talk.wav", 1)
    stand_in(tmp_path / "ffmpeg", "import sys; open('../asked', 'w').write(chr(10).join(sys.argv))")
    with pytest.raises(audio.Undecodable):
        audio.decode(path)
    asked = (path.parent / "asked").read_text().split("\n")
    given = dict(pairwise(asked))
    assert given["-protocol_whitelist"] == "file,pipe"
    assert given["-format_whitelist"] == sandbox.FORMATS
    assert given["-codec_whitelist"] == sandbox.CODECS
    assert given["-max_streams"] == str(sandbox.MAX_STREAMS)
    assert given["-i"] == "file:../talk.wav"
    assert {"-nostdin", "-vn", "-sn", "-dn", "-max_alloc", "-t"} <= set(asked)
    assert not {"concat", "hls", "dash", "image2", "lavfi", "sdp", "rtsp"} & set(sandbox.FORMATS.split(","))
    assert not {"h264", "hevc", "vp9", "av1", "mjpeg", "png"} & set(sandbox.CODECS.split(","))


def test_bounds_are_set_on_the_process_itself(recording: Recording, tmp_path: Path) -> None:
    path = recording("talk.wav", 1)
    stand_in(
        tmp_path / "ffmpeg",
        "import resource as r, sys, time; time.sleep(0.3)\n"
        "limits = [r.getrlimit(x)[0] for x in (r.RLIMIT_CPU, r.RLIMIT_AS, r.RLIMIT_FSIZE, r.RLIMIT_CORE)]\n"
        "print('[error]', *limits, file=sys.stderr)",
    )
    current = settings.current()
    limits = f"{int(current.decode_cpu_s)} {current.decode_memory_bytes} {sandbox.MAX_FILE_BYTES} 0"
    with pytest.raises(audio.Undecodable, match=limits):
        audio.decode(path)
