import hashlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
import s3fs
import xxhash
from moto.server import ThreadedMotoServer

from include import settings, store


@pytest.fixture(scope="module")
def s3_endpoint_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of an S3 server with an empty bucket, `open-empathic`."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("OPEN_EMPATHIC_S3_ENDPOINT_URL", s3_endpoint_url)
    client = boto3.client("s3", endpoint_url=s3_endpoint_url)
    client.create_bucket(Bucket="open-empathic")
    for found in client.list_objects_v2(Bucket="open-empathic").get("Contents", []):
        client.delete_object(Bucket="open-empathic", Key=found["Key"])
    return client


@pytest.fixture(params=["file", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty store, set as the pipeline's: on disk, then on S3."""
    if request.param == "s3":
        request.getfixturevalue("s3")
        url = "s3://open-empathic/data"
    else:
        url = f"file://{tmp_path}/store"
    settings.configure(store_url=url)
    yield url
    settings.configure()


def write_half(path: str, content: bytes, error: BaseException) -> None:
    """Begin to write an object, and break off with `error`."""
    with store.open_atomic(path) as stream:
        stream.write(content)
        stream.flush()
        raise error


def test_what_is_written_is_read_back(root: str) -> None:
    store.write_bytes("releases/latest.json", b"{}")
    store.write_bytes("releases/latest.json", b'{"version": 1}')
    assert store.exists("releases/latest.json")
    assert store.exists("releases")
    assert store.read_bytes("releases/latest.json") == b'{"version": 1}'
    assert store.size_bytes("releases/latest.json") == 14
    assert store.url("releases/latest.json") == f"{root}/releases/latest.json"
    with store.open_read("releases/latest.json") as stream:
        assert stream.read() == b'{"version": 1}'


def test_what_is_not_there_is_missing(root: str) -> None:
    assert not store.exists("nothing")
    assert store.paths_below("nothing") == []
    store.delete("nothing")
    for read in (store.read_bytes, store.size_bytes, store.open_read):
        with pytest.raises(FileNotFoundError):
            read("nothing")


@pytest.mark.parametrize("n_bytes", [0, 3, 60 * 2**20])
def test_a_stream_of_any_length_arrives_whole(root: str, n_bytes: int) -> None:
    content = bytes(n_bytes)
    with store.open_atomic("shard.tar") as stream:
        for first in range(0, len(content), 2**20):
            stream.write(content[first : first + 2**20])
        assert not store.exists("shard.tar")
    assert store.read_bytes("shard.tar") == content


@pytest.mark.parametrize("n_bytes", [0, 3, 3 * 2**20])
def test_a_checksum_is_of_all_bytes(root: str, n_bytes: int) -> None:
    content = random.Random(n_bytes).randbytes(n_bytes)
    store.write_bytes("train/000000.tar", content)
    assert store.xxh3_128("train/000000.tar") == xxhash.xxh3_128_hexdigest(content)
    assert store.sha256("train/000000.tar") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("n_bytes", [3, 60 * 2**20])
def test_a_broken_off_write_leaves_what_was_there(root: str, n_bytes: int) -> None:
    store.write_bytes("shard.tar", b"old")
    with pytest.raises(KeyboardInterrupt):
        write_half("shard.tar", bytes(n_bytes), KeyboardInterrupt())
    assert store.read_bytes("shard.tar") == b"old"
    assert store.paths_below("") == ["shard.tar"]


def test_a_broken_off_write_leaves_no_part_file(tmp_path: Path) -> None:
    settings.configure(store_url=f"file://{tmp_path}/store")
    with pytest.raises(RuntimeError):
        write_half("a/b.tar", b"half", RuntimeError())
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_broken_off_write_leaves_no_parts_on_s3(s3: Any) -> None:
    settings.configure(store_url="s3://open-empathic")
    with pytest.raises(RuntimeError):
        write_half("b.tar", bytes(60 * 2**20), RuntimeError())
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="open-empathic")


def test_two_writers_at_once_do_not_meet(root: str) -> None:
    with store.open_atomic("a") as first:
        first.write(b"first")
        with pytest.raises(RuntimeError):
            write_half("b", b"second", RuntimeError())
        assert store.paths_below("") == []
        with store.open_atomic("c") as third:
            third.write(b"third")
        assert store.paths_below("") == ["c"]
    assert store.paths_below("") == ["a", "c"]
    assert store.read_bytes("a") == b"first"


def test_what_a_killed_writer_left_is_not_listed(tmp_path: Path) -> None:
    settings.configure(store_url=f"file://{tmp_path}/store")
    store.write_bytes("train/000000.tar", b"whole")
    (tmp_path / "store/train/.000001.tar.0123456789abcdef.part").write_bytes(b"half")
    assert store.paths_below("train") == ["train/000000.tar"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a/..", "a\0b"])
def test_a_path_that_leaves_the_store_is_refused(root: str, path: str) -> None:
    for call in (store.exists, store.read_bytes, store.delete, store.paths_below, store.size_bytes):
        with pytest.raises(ValueError, match="no path inside"):
            call(path)
    with pytest.raises(ValueError, match="no path inside"):
        store.write_bytes(path, b"")
    store.write_bytes("a", b"")
    with pytest.raises(ValueError, match="no path inside"):
        store.move("a", path)


def test_audio_is_stored_once_under_its_hash(root: str) -> None:
    content = b"fLaC and so on"
    sha256 = store.put_audio(content)
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert store.read_bytes(f"audio/{sha256[:2]}/{sha256}.flac") == content
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(store.put_audio, [content] * 8)) == {sha256}
    assert store.paths_below("audio") == [store.audio_path(sha256)]


def test_audio_already_there_is_not_written_again(tmp_path: Path) -> None:
    settings.configure(store_url=f"file://{tmp_path}/store")
    path = tmp_path / "store" / store.audio_path(store.put_audio(b"sound"))
    before = path.stat().st_ino
    store.put_audio(b"sound")
    assert path.stat().st_ino == before


def test_paths_below_a_folder_are_its_own_and_sorted(root: str) -> None:
    for path in ("inbox/b.jsonl", "inbox/a/c.csv", "inbox2/d", "inbo", "inbox/a.jsonl"):
        store.write_bytes(path, b"")
    assert store.paths_below("inbox") == ["inbox/a.jsonl", "inbox/a/c.csv", "inbox/b.jsonl"]
    assert store.paths_below("") == ["inbo", "inbox/a.jsonl", "inbox/a/c.csv", "inbox/b.jsonl", "inbox2/d"]


def test_folders_in_a_folder_are_named_and_not_what_lies_deeper(root: str) -> None:
    for path in ("releases/b/c/d", "releases/a/x", "releases/latest.json", "other/e/f"):
        store.write_bytes(path, b"")
    assert store.folders_in("releases") == ["a", "b"]
    assert store.folders_in("nothing") == []


def test_an_object_moves_and_goes(root: str) -> None:
    store.write_bytes("inbox/annotations/a.csv", b"rows")
    store.move("inbox/annotations/a.csv", "inbox/merged/1/a.csv")
    assert store.paths_below("") == ["inbox/merged/1/a.csv"]
    assert store.read_bytes("inbox/merged/1/a.csv") == b"rows"
    store.delete("inbox/merged/1/a.csv")
    assert store.paths_below("") == []


def test_what_another_process_wrote_to_s3_is_seen_at_once(s3: Any) -> None:
    settings.configure(store_url="s3://open-empathic/data")
    store.write_bytes("releases/a", b"")
    assert store.paths_below("releases") == ["releases/a"]
    s3.put_object(Bucket="open-empathic", Key="data/releases/b", Body=b"new")
    assert store.exists("releases/b")
    assert store.size_bytes("releases/b") == 3
    s3.delete_object(Bucket="open-empathic", Key="data/releases/a")
    assert not store.exists("releases/a")


def test_s3_copies_what_is_shared_itself(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.configure(store_url="s3://open-empathic/data")
    store.write_bytes("releases/1/a.tar", b"shard")
    asked: list[str] = []
    call = s3fs.S3FileSystem._call_s3

    async def noted(self: Any, method: str, *given: Any, **options: Any) -> Any:
        asked.append(method)
        return await call(self, method, *given, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", noted)
    store.share("releases/1/a.tar", "releases/2/a.tar")
    assert "copy_object" in asked
    assert not {"get_object", "put_object", "upload_part"} & set(asked)
    assert store.read_bytes("releases/2/a.tar") == b"shard"
