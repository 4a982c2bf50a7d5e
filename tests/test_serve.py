from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from local.serve import serving

CONTENT = bytes(range(256))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "talk.m4a").write_bytes(CONTENT)
    (folder.parent / "secret.m4a").write_bytes(b"")
    with serving(folder) as url:
        yield f"{url}/talk.m4a"


def test_a_whole_file_is_served(url: str) -> None:
    with urlopen(url) as response:
        assert (response.status, response.read()) == (200, CONTENT)
        assert response.headers["Content-Type"] == "audio/mp4"


@pytest.mark.parametrize(
    ("wanted", "content"),
    [
        ("bytes=10-19", CONTENT[10:20]),
        ("bytes=200-", CONTENT[200:]),
        ("bytes=250-999", CONTENT[250:]),
        ("bytes=0-0", CONTENT[:1]),
    ],
)
def test_a_range_of_bytes_is_served(url: str, wanted: str, content: bytes) -> None:
    with urlopen(Request(url, headers={"Range": wanted})) as response:
        assert (response.status, response.read()) == (206, content)
        first = CONTENT.index(content)
        assert response.headers["Content-Range"] == f"bytes {first}-{first + len(content) - 1}/256"


@pytest.mark.parametrize("wanted", ["bytes=-5", "bytes=1-2,4-5", "lines=1-2"])
def test_a_range_of_another_kind_gets_the_whole_file(url: str, wanted: str) -> None:
    with urlopen(Request(url, headers={"Range": wanted})) as response:
        assert (response.status, response.read()) == (200, CONTENT)


def test_a_head_request_gets_no_body(url: str) -> None:
    with urlopen(Request(url, headers={"Range": "bytes=5-9"}, method="HEAD")) as response:
        assert (response.headers["Content-Length"], response.read()) == ("5", b"")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [("gone.mp3", {}, 404), ("talk.m4a", {"Range": "bytes=256-"}, 416), ("../secret.m4a", {}, 404)],
)
def test_what_is_not_there_is_refused(url: str, path: str, headers: dict[str, str], status: int) -> None:
    with pytest.raises(HTTPError) as refusal:
        urlopen(Request(f"{url.rpartition('/')[0]}/{path}", headers=headers))
    refusal.value.close()
    assert refusal.value.code == status
