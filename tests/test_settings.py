import re
from pathlib import Path

import pytest

from include import settings, store


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPEN_EMPATHIC_CATALOG_URL", "")
    monkeypatch.setenv("OPEN_EMPATHIC_SHARD_SAMPLES", "7")
    found = settings.configure()
    assert (found.catalog_url, found.shard_samples) == (None, 7)


def test_the_run_folder_holds_the_store_unless_told_otherwise(tmp_path: Path) -> None:
    assert settings.configure(run=tmp_path).store_root == f"file://{tmp_path}/store"
    assert settings.configure(run="elsewhere").run == settings.ROOT / "elsewhere"


def test_an_ffmpeg_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-ffmpeg"):
        _ = settings.configure(ffmpeg="no-such-ffmpeg").ffmpeg_path


def test_only_settings_reads_the_environment() -> None:
    readers = [
        path.relative_to(settings.ROOT).as_posix()
        for folder in ("include", "dags", "plugins", "local")
        for path in (settings.ROOT / folder).rglob("*.py")
        if re.search(r"\benviron\b|\bgetenv\b", path.read_text(encoding="utf-8"))
    ]
    assert readers == ["include/settings.py"]


def test_a_run_folder_with_a_space_has_its_store_inside(tmp_path: Path) -> None:
    settings.configure(run=tmp_path / "a run")
    store.write_bytes("x", b"y")
    assert (tmp_path / "a run" / "store" / "x").read_bytes() == b"y"
