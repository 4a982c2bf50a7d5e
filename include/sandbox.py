"""ffmpeg on files from strangers: few formats and codecs, no other file, no network, no credentials, and bounds."""

import fcntl
import logging
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Event, Thread, Timer
from typing import IO, Any

from include import settings

log = logging.getLogger(__name__)

# Containers whose audio is in the file itself; ffmpeg reads many others, and some of those name further files.
FORMATS = "mov,matroska,ogg,wav,w64,flac,mp3,aac,mpegts,mpeg,flv,avi,asf,aiff,dsf,amr,caf,au"
# What recordings are encoded with. No picture's decoder is among them: ffmpeg runs those, too, to learn of a stream.
CODECS = (
    "aac,aac_latm,ac3,eac3,dca,truehd,mlp,alac,flac,wavpack,tta,mp1float,mp2float,mp3float,mp1,mp2,mp3,vorbis,libvorbis,"
    "opus,libopus,speex,libspeex,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,gsm,gsm_ms,g722,g726,nellymoser,"
    "wmav1,wmav2,wmapro,wmavoice,wmalossless,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_swf,adpcm_yamaha,"
    "dsd_lsbf,dsd_msbf,dsd_lsbf_planar,dsd_msbf_planar,pcm_alaw,pcm_mulaw,pcm_s8,pcm_u8,pcm_s16le,pcm_s16be,pcm_u16le,"
    "pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_bluray,pcm_dvd"
)
MAX_STREAMS = 32
MAX_COMPLAINTS = 50
MAX_FILE_BYTES = 64 * 1024**2  # of what ffmpeg writes besides the audio, which goes through a pipe
PLAIN_WORDS = {
    "Format not on whitelist": "no kind of file that is taken",
    "Error opening input: Invalid data found": "damaged at its beginning, or no recording at all",
    "Error opening input: End of file": "it ends before its audio begins",
}
TAGS = re.compile(r"^(\[[^\]]* @ 0x[0-9a-f]+\] *)*\[(\w+)\] *(\[[^\]]* @ 0x[0-9a-f]+\] *)*")


@dataclass
class Said:
    """What ffmpeg said while it worked."""

    announced_s: float | None = None
    start_s: float = 0.0
    container: str = ""
    n_streams: int = 0
    audio: list[tuple[str, int]] = field(default_factory=list)  # codec and rate (Hz) of each audio stream
    complaints: list[str] = field(default_factory=list)
    refused_codec: str | None = None  # the last one; a picture's is refused before any sound's
    is_input_known: Event = field(default_factory=Event)  # set once all but the complaints is there

    @property
    def complaint(self) -> str:
        """The first complaint, the one that says what is wrong; later ones only follow from it."""
        return self.complaints[0] if self.complaints else ""

    @property
    def why_nothing(self) -> str:
        """Words for why no sound came."""
        if self.container and self.n_streams == 0:
            return "a container without a stream"
        if self.refused_codec and any("opening decoder" in complaint for complaint in self.complaints):
            return f"its codec, {self.refused_codec}, is not taken"
        for beginning, words in PLAIN_WORDS.items():
            if self.complaint.startswith(beginning):
                return words
        return self.complaint or "its audio stream holds no sound"

    def listen(self, lines: IO[bytes]) -> None:
        """Take in all that ffmpeg says, `-loglevel level+info`; however much it is, little is kept."""
        is_input = True
        for raw in iter(lambda: lines.readline(4096), b""):
            line = raw.decode(errors="replace").strip()
            tags = TAGS.match(line)
            level, text = (tags[2], line[tags.end() :].strip()) if tags else ("", line)
            if refused := re.match(r"Codec \((\w+)\) not on whitelist", text):
                self.refused_codec = refused[1]
            elif level in ("error", "fatal", "panic") and text and len(self.complaints) < MAX_COMPLAINTS:
                self.complaints.append(text[:300])
            if text.startswith(("Stream mapping", "Output #")):
                is_input = False
                self.is_input_known.set()
            if is_input and (announced := re.match(r"Duration: (\d+):(\d\d):([\d.]+)(?:, start: (-?[\d.]+))?", text)):
                self.announced_s = int(announced[1]) * 3600 + int(announced[2]) * 60 + float(announced[3])
                self.start_s = float(announced[4] or 0)
            if is_input and (opened := re.match(r"Input #0, (\S+), from", text)):
                self.container = opened[1]
            if is_input and (stream := re.match(r"Stream #0:\d+.*?: (\w+): ([^,]*)(?:, (\d+) Hz)?", text)):
                self.n_streams += 1
                if stream[1] == "Audio":
                    self.audio.append((stream[2], int(stream[3] or 0)))
        self.is_input_known.set()


def input_options() -> dict[str, Any]:
    """Options of ffmpeg's input: a playlist or reference file named like a recording must not make it read others."""
    return {
        "protocol_whitelist": "file,pipe",
        "format_whitelist": FORMATS,
        "codec_whitelist": CODECS,
        "max_streams": MAX_STREAMS,
        "probesize": 10 * 1024**2,
        "analyzeduration": 10_000_000,
        "t": settings.current().max_source_s + 1,
        "vn": None,
        "sn": None,
        "dn": None,
    }


@contextmanager
def running(command: Any, folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Said]]:
    """Run a command of ffmpeg-python in `folder`, its output a pipe; it is dead when the block ends.

    It has no network where the kernel allows that, no environment, and bounds on wall clock (`decode_timeout_s`), CPU
    (`decode_cpu_s`), memory (`decode_memory_bytes`) and the size of a file it writes. What passes one of them is
    killed, so that its pipe ends: ask why_killed() then.
    """
    current = settings.current()
    arguments = command.global_args(
        *("-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info"),
        *("-max_alloc", str(current.decode_memory_bytes // 4), "-filter_threads", "1"),
    ).overwrite_output()
    process = subprocess.Popen(
        [*_without_network(), *arguments.compile(cmd=current.ffmpeg_path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={},
    )
    if process.stdout is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 1024**2)  # as large as goes: fewer changes between processes
    said = Said()
    listener = Thread(target=said.listen, args=(process.stderr,), daemon=True)
    clock = Timer(current.decode_timeout_s, process.kill)
    try:
        _bound(process.pid)
        listener.start()
        clock.start()
        yield process, said
        process.wait()
        listener.join()
    finally:
        clock.cancel()
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@cache
def _without_network() -> tuple[str, ...]:
    """What goes before a command that is to see no network: `unshare`, which becomes the command. About 2 ms.

    In a user namespace of its own, for which no user is mapped, so that it has no capability there either
    (https://man7.org/linux/man-pages/man7/user_namespaces.7.html). Empty, with a warning, where that is not allowed:
    Docker's default seccomp profile forbids it.
    """
    unshare = shutil.which("unshare")
    if unshare is not None:
        command = (unshare, "--user", "--net", "--")
        tried = subprocess.run([*command, unshare, "--version"], capture_output=True, check=False)
        if tried.returncode == 0:
            return command
    why = tried.stderr.decode(errors="replace").strip() if unshare is not None else "there is no unshare"
    log.warning("ffmpeg runs in this process's network, where only its whitelist of protocols holds it: %s", why)
    return ()


def _bound(pid: int) -> None:
    """Put bounds on a process that has only just begun: set from here, so that nothing runs between fork and exec."""
    current = settings.current()
    if not hasattr(resource, "prlimit"):  # not Linux: wall clock and output are bounded all the same
        return
    cpu_s = int(current.decode_cpu_s)
    try:
        resource.prlimit(pid, resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
        resource.prlimit(pid, resource.RLIMIT_AS, (current.decode_memory_bytes, current.decode_memory_bytes))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
    except ProcessLookupError:
        pass  # it is over already


def why_killed(process: "subprocess.Popen[bytes]", said: Said) -> str | None:
    """Which bound a finished process passed, as words for a refusal; None if it ended by itself."""
    import signal

    current = settings.current()
    if any("exceeds max_streams" in complaint for complaint in said.complaints):
        return f"more than {MAX_STREAMS} streams"
    if channels := next(filter(None, (re.match(r"Too many channels: (\d+)", text) for text in said.complaints)), None):
        return f"{channels[1]} channels"
    if process.returncode in (-signal.SIGXCPU, 128 + signal.SIGXCPU):
        return f"more than {current.decode_cpu_s:g} s of CPU to decode"
    if process.returncode == -signal.SIGKILL:
        return f"not decoded within {current.decode_timeout_s:g} s, or {current.decode_cpu_s:g} s of CPU"
    if process.returncode == -signal.SIGXFSZ:
        return f"more than {MAX_FILE_BYTES} bytes of output"
    # Out of memory, ffmpeg says so, or aborts, or runs into memory that it did not get.
    if process.returncode < 0 or any("Cannot allocate memory" in complaint for complaint in said.complaints):
        signal_name = f", died of signal {-process.returncode}" if process.returncode < 0 else ""
        return f"more than {current.decode_memory_bytes / 1024**2:g} MiB of memory to decode{signal_name}"
    return None
