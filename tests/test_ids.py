import pytest

from include import ids

VIDEO_ID = "dQw4w9WgXcQ"
WATCH_URL = f"https://www.youtube.com/watch?v={VIDEO_ID}"


@pytest.mark.parametrize(
    "address",
    [
        WATCH_URL,
        f"http://youtube.com/watch?v={VIDEO_ID}",
        f"https://WWW.YouTube.com/watch?list=PL123&v={VIDEO_ID}&t=42s",
        f"https://m.youtube.com/watch?v={VIDEO_ID}",
        f"https://music.youtube.com/watch?v={VIDEO_ID}&feature=share",
        f"https://youtu.be/{VIDEO_ID}?si=abc",
        f"https://www.youtube.com/embed/{VIDEO_ID}?start=3",
        f"https://www.youtube-nocookie.com/embed/{VIDEO_ID}",
        f"https://www.youtube.com/shorts/{VIDEO_ID}",
        f"https://www.youtube.com/live/{VIDEO_ID}?feature=share",
        f"https://www.youtube.com/v/{VIDEO_ID}",
        f"https://www.youtube.com/e/{VIDEO_ID}",
        f"https://www.youtube.com/watch/{VIDEO_ID}",
        f"https://gaming.youtube.com/watch?v={VIDEO_ID}",
        f"https://www.youtubekids.com/watch?v={VIDEO_ID}",
        f"  https://www.youtube.com/watch?v={VIDEO_ID}#t=30\n",
    ],
)
def test_every_form_of_a_youtube_address_is_one_source(address: str) -> None:
    assert ids.parse_address(address) == ids.Stretch(WATCH_URL)
    assert ids.source_id(address) == f"youtube:{VIDEO_ID}"


@pytest.mark.parametrize(
    "address",
    [
        "https://www.youtube.com/playlist?list=PL0123456789A",
        "https://www.youtube.com/watch?list=PL0123456789A",
        "https://www.youtube.com/embed/videoseries?list=PL0123456789A",
        "https://www.youtube.com/@abcdefghijk",
        f"https://youtube.com.evil.example/watch?v={VIDEO_ID}",
    ],
)
def test_what_is_no_youtube_video_gets_no_videos_id(address: str) -> None:
    assert ids.source_id(address).startswith("generic:")


@pytest.mark.parametrize(
    "address",
    [
        "https://www.youtube.com/watch?v=tooshort",
        "https://www.youtube.com/watch",
        "https://www.youtube.com/embed/",
        "https://www.youtube.com/embed/live_stream?channel=UC0123456789",
        f"https://www.youtube.com/shorts/{VIDEO_ID}x",
        "https://youtu.be/",
    ],
)
def test_a_youtube_address_that_names_no_video_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is no YouTube video id"):
        ids.parse_address(address)


def test_scheme_port_fragment_and_case_of_the_host_do_not_count() -> None:
    forms = ["http://127.0.0.1:8000/talk.mp4", "https://127.0.0.1/talk.mp4", "http://127.0.0.1:9/talk.mp4#t=1,2"]
    assert len({ids.source_id(url) for url in forms}) == 1
    assert ids.source_id("http://Media.Example/talk.mp4") == ids.source_id("http://media.example/talk.mp4")


def test_host_path_and_query_do_count() -> None:
    forms = ["http://a.example/talk.mp4", "http://b.example/talk.mp4", "http://a.example/hls/talk.mp4"]
    assert len({ids.source_id(url) for url in [*forms, "http://a.example/talk.mp4?id=1"]}) == 4


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("http://a.example/kitchen.story.m4a", "kitchen_story"),
        ("http://a.example/", "index"),
        ("http://a.example/Stra%C3%9Fe%201.mp3", "Stra_e_1"),
        ("http://a.example/" + "long" * 50 + ".mp3", "long" * 10),
    ],
)
def test_a_generic_id_is_readable_short_and_of_safe_characters(url: str, slug: str) -> None:
    source_id = ids.source_id(url)
    assert source_id.rpartition("-")[0] == f"generic:{slug}"
    assert ids.clip_id(source_id, 0, 1000).replace("-", "").replace("_", "").isalnum()


def test_another_sites_own_id_is_used_if_it_is_safe() -> None:
    assert ids.source_id("https://vimeo.com/76979871", "Vimeo", "76979871") == "vimeo:76979871"
    assert ids.source_id("https://v.example/x", "Some:Site", "../x").startswith("some_site:x-")


def test_a_clips_id_names_source_and_milliseconds() -> None:
    assert ids.clip_id(f"youtube:{VIDEO_ID}", 12_500, 42_500) == f"youtube-{VIDEO_ID}-12500-42500"


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "complaint"),
    [(-1, 1000, "before its source"), (5000, 5000, "not after"), (5000, 4000, "not after"), (0, 30_001, "over 30 s")],
)
def test_a_clip_of_no_possible_stretch_has_no_id(start_ms: int, end_ms: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ids.clip_id("generic:talk", start_ms, end_ms)


@pytest.mark.parametrize(
    ("address", "window_ms"),
    [
        ("http://a.example/talk.mp4#t=12.5,21", (12_500, 21_000)),
        ("http://a.example/talk.mp4#t=npt:1,2.25", (1000, 2250)),
        ("http://a.example/talk.mp4#t=,9.5", (0, 9500)),
        ("http://a.example/talk.mp4#track=1&t=3,4", (3000, 4000)),
        ("http://a.example/talk.mp4#t=.0004,1.0006", (0, 1001)),
        (f"https://www.youtube.com/embed/{VIDEO_ID}?start=5&end=8", (5000, 8000)),
        (f"https://youtu.be/{VIDEO_ID}?start=5&end=8#t=1,2", (1000, 2000)),
        ("http://a.example/talk.mp4#t=7", None),
        ("http://a.example/talk.mp4#chapter", None),
        ("http://a.example/talk.mp4?start=5&end=8", None),
    ],
)
def test_times_of_an_address_are_read(address: str, window_ms: tuple[int, int] | None) -> None:
    stretch = ids.parse_address(address)
    assert stretch.window_ms == window_ms
    assert "#" not in stretch.url


@pytest.mark.parametrize("times", ["5,", "a,b", "nan,3", "0,inf", "1e9,2e9", "0:01,0:02", "0,99999999"])
def test_times_that_cannot_be_read_are_refused(times: str) -> None:
    with pytest.raises(ValueError, match="not START,END"):
        ids.parse_address(f"http://a.example/talk.mp4#t={times}")


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("", "no http"),
        ("talk.mp4", "no http"),
        ("file:///etc/passwd", "no http"),
        ("ftp://a.example/talk.mp4", "no http"),
        ("javascript:alert(1)", "no http"),
        ("http:///talk.mp4", "no http"),
        ("--exec=reboot", "no http"),
        ("http://[::1/talk.mp4", "no address"),
        ("http://a.example:99999/talk.mp4", "no address"),
        ("http://a.example/\0.mp4", "can't be printed"),
        ("http://a.example/\ud800.mp4", "can't be printed"),
        ("http://a.example/talk\nHost: b.mp4", "can't be printed"),
        ("http://a.example/" + "x" * 2000, "2000 bytes"),
        ("http://me:secret@a.example/talk.mp4", "password"),
    ],
)
def test_what_is_no_address_is_refused(address: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ids.parse_address(address)
    with pytest.raises(ValueError, match=complaint):
        ids.source_id(address)
