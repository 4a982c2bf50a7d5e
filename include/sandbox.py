"""ffmpeg on files from strangers: few formats, no other file, no network, no credentials, and bounds on everything."""

import fcntl
import re
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread, Timer
from typing import IO, Any

from include import settings

# Containers whose audio is in the file itself; ffmpeg reads many others, and some of those name further files.
FORMATS = "mov,matroska,ogg,wav,w64,flac,mp3,aac,mpegts,mpeg,flv,avi,asf,aiff,dsf,amr,caf,au"
MAX_STREAMS = 32
MAX_COMPLAINTS = 50
MAX_FILE_BYTES = 64 * 1024**2  # of what ffmpeg writes besides the audio, which goes through a pipe
TAGS = re.compile(r"^(\[[^\]]* @ 0x[0-9a-f]+\] *)*\[(\w+)\] *(\[[^\]]* @ 0x[0-9a-f]+\] *)*")


@dataclass
class Said:
    """What ffmpeg said while it worked."""

    announced_s: float | None = None
    start_s: float = 0.0
    n_audio_streams: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def complaint(self) -> str:
        """The first complaint, the one that says what is wrong; later ones only follow from it."""
        return self.complaints[0] if self.complaints else ""

    def listen(self, lines: IO[bytes]) -> None:
        """Take in all that ffmpeg says, `-loglevel level+info`; however much it is, little is kept."""
        is_input = True
        for raw in iter(lambda: lines.readline(4096), b""):
            line = raw.decode(errors="replace").strip()
            tags = TAGS.match(line)
            level, text = (tags[2], line[tags.end() :].strip()) if tags else ("", line)
            if level in ("error", "fatal", "panic") and text and len(self.complaints) < MAX_COMPLAINTS:
                self.complaints.append(text[:300])
            is_input = is_input and not text.startswith(("Stream mapping", "Output #"))
            if is_input and (announced := re.match(r"Duration: (\d+):(\d\d):([\d.]+)(?:, start: (-?[\d.]+))?", text)):
                self.announced_s = int(announced[1]) * 3600 + int(announced[2]) * 60 + float(announced[3])
                self.start_s = float(announced[4] or 0)
            if is_input and re.match(r"Stream #0:\d+.*: Audio:", text):
                self.n_audio_streams += 1


def input_options() -> dict[str, Any]:
    """Options of ffmpeg's input: a playlist or reference file named like a recording must not make it read others."""
    return {
        "protocol_whitelist": "file,pipe",
        "format_whitelist": FORMATS,
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

    It has no environment, and bounds on wall clock (`decode_timeout_s`), CPU (`decode_cpu_s`), memory
    (`decode_memory_bytes`) and the size of a file it writes. What passes one of them is killed, so that its pipe ends:
    ask why_killed() then.
    """
    current = settings.current()
    arguments = command.global_args(
        *("-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info"),
        *("-max_alloc", str(current.decode_memory_bytes // 4), "-filter_threads", "1"),
    ).overwrite_output()
    process = subprocess.Popen(
        arguments.compile(cmd=current.ffmpeg_path),
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
