"""The right picture of a source: which stream, which lines, which colours, and for how long."""

from __future__ import annotations

import functools
import http.server
import threading
from contextlib import contextmanager
from fractions import Fraction

import av
import av.filter
import numpy as np
import pytest
from av.stream import Disposition

from commentator_lib.runs.export_video import write_mp4
from commentator_lib.runs.planes import PictureFitter
from commentator_lib.runs.reader import load_run
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.colours import matrix_of, to_sdr
from commentator_lib.sources.decoding import OpenVideo
from commentator_lib.sources.hls import largest_variant, renditions
from commentator_lib.sources.open import open_source
from commentator_lib.sources.recorded import RecordedSource
from commentator_lib.sources.timeline import Timeline
from commentator_lib.sources.video import FileSource
from commentator_lib.sources.web import read_text
from commentator_lib.video_writer import H264Writer
from tests.conftest import make_clip, mux_silence, what_if

RED = (192, 32, 32)
BT709, UNSPECIFIED, BT601, BT2020 = 1, 2, 6, 9
LIMITED, FULL = 1, 2
PQ, HLG = 16, 18


def all_frames(source):
    frames = list(iter(source.read, None))
    source.close()
    return frames


def mux(out, stream, frames):
    for frame in [*frames, None]:
        for packet in stream.encode(frame):
            out.mux(packet)


def flat(width, height, colour, k=0, fps=25):
    image = np.empty((height, width, 3), np.uint8)
    image[:] = colour
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = k, Fraction(1, fps)
    return frame


# --- which stream


def several_tracks(path, tracks, sound=False):
    """Write a file with a video track of each (width, colour, disposition)."""
    with av.open(str(path), "w") as out:
        streams = []
        for width, _, disposition in tracks:
            stream = out.add_stream(
                "mjpeg" if disposition == Disposition.attached_pic else "libx264", rate=25
            )
            stream.width, stream.height = width, width // 2
            stream.pix_fmt = "yuvj420p" if stream.name == "mjpeg" else "yuv420p"
            stream.disposition = disposition
            streams.append(stream)
        if sound:
            mux_silence(out, out.add_stream("aac", rate=48_000, layout="mono"), 0.4)
        for stream, (width, colour, disposition) in zip(streams, tracks, strict=True):
            count = 1 if disposition == Disposition.attached_pic else 10
            frames = [flat(width, width // 2, colour, k) for k in range(count)]
            mux(out, stream, [frame.reformat(format=stream.pix_fmt) for frame in frames])
    return path


NONE, DEFAULT, COVER = Disposition(0), Disposition.default, Disposition.attached_pic
GREEN, BLUE = (0, 160, 0), (0, 0, 200)
TRACKS = {
    "the default one": (".mkv", [(160, BLUE, NONE), (320, GREEN, NONE), (240, RED, DEFAULT)], 240),
    "the largest of two default ones": (".mkv", [(160, BLUE, DEFAULT), (240, RED, DEFAULT)], 240),
    "the largest where none is default": (".mkv", [(160, BLUE, NONE), (240, RED, NONE)], 240),
    "the largest of a broadcast": (".ts", [(160, BLUE, NONE), (240, RED, NONE)], 240),
    "no cover, even a larger one": (".mp4", [(480, BLUE, COVER), (240, RED, NONE)], 240),
}


@pytest.mark.parametrize("kind", TRACKS)
def test_of_several_tracks_the_right_one_is_shown(kind, tmp_path):
    suffix, tracks, width = TRACKS[kind]
    source = FileSource(several_tracks(tmp_path / f"c{suffix}", tracks))
    frames = all_frames(source)
    assert (source.info.width, source.info.height) == (width, width // 2) and source.problem == ""
    assert len(frames) == 10 and all(f.image.shape == (width // 2, width, 3) for f in frames)
    assert frames[5].image[30, 100].astype(int) == pytest.approx(RED, abs=6)


def test_the_tracks_that_are_not_shown_are_not_even_read(tmp_path):
    path = several_tracks(tmp_path / "c.mkv", TRACKS["the default one"][1], sound=True)
    video = OpenVideo(str(path), 1280, "cannot be opened")
    left = [stream.index for stream in video.container.streams if stream.discard.name == "all"]
    assert left == [0, 1] and video.has_sound
    video.close()


@pytest.mark.parametrize(("suffix", "codec"), [(".mp3", "libmp3lame"), (".flac", "flac"), (".mp4", "aac")])
def test_song_with_a_cover_is_no_video(suffix, codec, tmp_path):
    path = tmp_path / f"song{suffix}"
    with av.open(str(path), "w") as out:
        sound = out.add_stream(codec, rate=48_000, layout="mono")
        cover = out.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        mux(out, cover, [flat(64, 64, BLUE).reformat(format="yuvj420p")])
        at = np.zeros((1, 4800), np.float32)
        frames = []
        for k in range(5):
            frame = av.AudioFrame.from_ndarray(at, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, 4800 * k, Fraction(1, 48_000)
            frames += av.AudioResampler(sound.codec_context.format or "s16", "mono", 48_000).resample(frame)
        mux(out, sound, frames)
    with pytest.raises(SourceError, match=r"song\S+ holds sound and a cover, no video$"):
        open_source(str(path))


def test_animated_webp_is_named(tmp_path):
    path = tmp_path / "a.webp"
    make_clip(path, frames=5, codec="libwebp_anim")
    with serve_folder(tmp_path) as (address, _):
        for name in (str(path), f"{address}/a.webp"):
            with pytest.raises(SourceError, match="FFmpeg here cannot decode this kind"):
                open_source(name)


@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt"), [("gif", ".gif", "rgb8"), ("apng", ".apng", "rgb24")]
)
def test_other_animations_are_played(codec, suffix, pix_fmt, tmp_path):
    source = FileSource(make_clip(tmp_path / f"a{suffix}", frames=12, fps=10, codec=codec, pix_fmt=pix_fmt))
    frames = all_frames(source)
    assert len(frames) == 12 and frames[-1].pts_s == pytest.approx(1.1) and source.problem == ""
    assert frames[0].image[20, 50].astype(int) == pytest.approx((200, 0, 0), abs=40)


# --- HLS


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without ranges; `asked` are the paths, `headers_seen` the last request's headers."""

    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@contextmanager
def serve_folder(folder, handler=Files):
    asked: list[str] = []
    kind = type("Handler", (handler,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


WIDTHS = (160, 320, 240)


@pytest.fixture(scope="module")
def hls(tmp_path_factory):
    """Return a folder with three variants of 4 s in pieces of 1 s, sound of its own, and two masters of them."""
    folder = tmp_path_factory.mktemp("hls")
    pieces = {"hls_time": "1", "hls_playlist_type": "vod"}
    for width in WIDTHS:
        path = folder / f"v{width}.m3u8"
        made = {"codec_options": {"g": "25"}, "container": "hls", "options": pieces}
        make_clip(path, frames=100, width=width, height=width // 2, **made)
    with av.open(str(folder / "sound.m3u8"), "w", format="hls", options=pieces) as out:
        mux_silence(out, out.add_stream("aac", rate=48_000, layout="mono"), 4.0)
    with_sound, silent = ["#EXTM3U"], ["#EXTM3U"]
    with_sound.append('#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="au",NAME="en",DEFAULT=YES,URI="sound.m3u8"')
    for width in WIDTHS:
        line = f"#EXT-X-STREAM-INF:BANDWIDTH={width * 1000},RESOLUTION={width}x{width // 2}"
        with_sound += [f'{line},AUDIO="au"', f"v{width}.m3u8"]
        silent += [line, f"v{width}.m3u8"]
    (folder / "with_sound.m3u8").write_text("\n".join(with_sound))
    (folder / "silent.m3u8").write_text("\n".join(silent))
    return folder


@pytest.mark.parametrize("master", ["silent", "with_sound"])
def test_largest_variant_of_a_master_is_played_and_the_others_are_not_downloaded(master, hls):
    with serve_folder(hls) as (address, asked):
        source = open_source(f"{address}/{master}.m3u8?token=1")
        sound = 0
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
            sound += sum(len(chunk.samples) for chunk in source.read_sound())
        source.close()
    assert (source.info.width, source.info.height) == (320, 160) and not source.info.live
    assert len(frames) == 100 and frames[-1].pts_s == pytest.approx(3.96, abs=0.01)
    assert not [path for path in asked if "v160" in path or "v240" in path]
    assert sum(path.endswith(".ts") and "v320" in path for path in asked) == 4
    assert sound == pytest.approx(4 * 48_000 if master == "with_sound" else 0, abs=4800)


def test_master_that_only_ffmpeg_can_read_is_left_to_it(hls, monkeypatch):
    def refused(url, options):
        raise OSError("no")

    monkeypatch.setattr("commentator_lib.sources.hls.read_text", refused)
    with serve_folder(hls) as (address, _):
        source = open_source(f"{address}/silent.m3u8")
        assert source.info.width == 320 and len(all_frames(source)) == 100


def master(*variants):
    return "\n".join(["#EXTM3U", *(f"#EXT-X-STREAM-INF:{line}\n\n{url}" for line, url in variants)])


MASTERS = {
    "most pixels": (("BANDWIDTH=9,RESOLUTION=640x360", "a"), ("BANDWIDTH=5,RESOLUTION=1280x720", "b")),
    "most bits of one size": (("BANDWIDTH=5,RESOLUTION=64x36", "a"), ("BANDWIDTH=9,RESOLUTION=64x36", "b")),
    "most bits without sizes": (("BANDWIDTH=5", "a"), ("BANDWIDTH=9", "b")),
    "a picture": (('BANDWIDTH=9,CODECS="mp4a.40.2"', "a"), ('BANDWIDTH=5,CODECS="avc1.64,mp4a.40.2"', "b")),
    "SDR": (
        ("BANDWIDTH=9,RESOLUTION=64x36,VIDEO-RANGE=PQ", "a"),
        ("BANDWIDTH=5,RESOLUTION=64x36,VIDEO-RANGE=SDR", "b"),
    ),
    "what can be decoded": (
        ('BANDWIDTH=9,RESOLUTION=640x360,CODECS="dvh1.05.06,mp4a.40.2"', "a"),
        ('BANDWIDTH=5,RESOLUTION=64x36,CODECS="hvc1.2"', "b"),
    ),
}


@pytest.mark.parametrize("kind", MASTERS)
def test_which_variant_is_the_largest(kind):
    chosen = largest_variant(master(*MASTERS[kind]), "http://h/live/master.m3u8?t=1")
    assert chosen is not None and chosen.url == "http://h/live/b"


def test_what_is_no_master_is_left_alone():
    assert largest_variant("#EXTM3U\n#EXTINF:2,\na.ts\n", "http://h/") is None
    assert largest_variant("<html>", "http://h/") is None
    assert largest_variant(master(("BANDWIDTH=1", "{$v}")) + "\n#EXT-X-DEFINE:NAME=v", "http://h/") is None


def test_sound_of_a_variant_gets_its_whole_address():
    media = '#EXT-X-MEDIA:TYPE=AUDIO,NAME="a, b",GROUP-ID="{}",URI="{}"'
    text = "\n".join(
        [media.format("hi", "en/1.m3u8"), media.format("lo", "x"), media.format("hi", "http://o/2")]
    )
    found = renditions(text, "http://h/live/m.m3u8", "hi")
    assert found == [media.format("hi", "http://h/live/en/1.m3u8"), media.format("hi", "http://o/2")]


def test_user_and_headers_go_to_the_server_as_ffmpeg_sends_them():
    seen = {}

    class Asked(Files):
        def do_GET(self):
            seen.update(self.headers)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"#EXTM3U")

    with serve_folder(".", Asked) as (address, _):
        url = address.replace("//", "//me:s%40cret@") + "/m.m3u8"
        options = {"user_agent": "me", "headers": "X-Key: 7\r\nX-More: 8\r\n", "cookies": "a=b"}
        text, base_url = read_text(url, options)
    assert text == "#EXTM3U" and base_url == url
    assert seen["Authorization"] == "Basic bWU6c0BjcmV0" and seen["User-Agent"] == "me"
    assert (seen["X-Key"], seen["X-More"], seen["Cookie"]) == ("7", "8", "a=b")


def test_file_with_its_index_at_the_end_on_a_server_that_cannot_seek(tmp_path):
    make_clip(tmp_path / "c.mp4", frames=50, noise=True, width=320, height=180)
    with serve_folder(tmp_path) as (address, _):
        with pytest.raises(SourceError, match="the server cannot seek") as caught:
            open_source(f"{address}/c.mp4")
    assert "\n" not in str(caught.value)


# --- interlaced


def field_picture(moment):
    """Return a grey picture (H, W) with a white bar that moves by 4 pixels a moment."""
    image = np.full((72, 128), 60, np.uint8)
    left = 10 + 4 * moment % 80
    image[:, left : left + 30] = 220
    return image


def interlaced_clip(path, codec="mpeg2video", turned=0, flagged=True, pix_fmt="yuv420p", count=12):
    """Write pictures whose odd lines come half a picture's time after the even ones."""
    with av.open(str(path), "w") as out:
        options = {"flags": "+ilme+ildct"} if flagged else {}
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 72, pix_fmt
        stream.bit_rate = 4_000_000
        if turned:
            stream.set_display_rotation(turned)
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(width=128, height=72, format=pix_fmt, time_base=Fraction(1, 25)),
            graph.add("setfield", "tff"),
            graph.add("buffersink"),
        ).configure()
        frames = []
        for k in range(count):
            image = field_picture(2 * k)
            image[1::2] = field_picture(2 * k + 1)[1::2]
            frame = av.VideoFrame.from_ndarray(image, format="gray").reformat(format=pix_fmt)
            frame.pts, frame.time_base = k, Fraction(1, 25)
            graph.push(frame)
            frames.append(graph.vpull())
        mux(out, stream, frames)
    return path


def combs(image):
    """Return by how much lines differ from both their neighbours in the same direction, on average."""
    lines = image[..., 1].astype(int)
    up, down = lines[1:-1] - lines[:-2], lines[1:-1] - lines[2:]
    return np.where(up * down > 0, np.minimum(abs(up), abs(down)), 0).mean()


INTERLACED = {
    "programme stream": ("c.mpg", {}),
    "broadcast": ("c.ts", {}),
    "4:2:2": ("c.ts", {"pix_fmt": "yuv422p"}),
    "H.264": ("c.mp4", {"codec": "libx264"}),
    "ten bits": ("c.mkv", {"codec": "libx264", "pix_fmt": "yuv420p10le"}),
    "two pictures": ("c.mkv", {"count": 2}),
}


@pytest.mark.parametrize("kind", INTERLACED)
def test_interlaced_pictures_have_no_combs(kind, tmp_path):
    name, made = INTERLACED[kind]
    path = interlaced_clip(tmp_path / name, **made)
    with av.open(str(path)) as file:
        raw = list(file.decode(video=0))
    assert all(frame.interlaced_frame for frame in raw)
    before = combs(raw[1].to_ndarray(format="rgb24"))
    source = FileSource(path)
    frames, decoded = [], []
    while (frame := source.read()) is not None:
        frames.append(frame)
        decoded.append(source.decoded.to_ndarray(format="rgb24"))
    source.close()
    assert before > 5 and max(combs(f.image) for f in frames) < 0.25 * before
    assert max(combs(image) for image in decoded) < 0.25 * before
    times = [f.pts_s for f in frames]
    assert times == pytest.approx([float((f.pts - raw[0].pts) * f.time_base) for f in raw], abs=1e-6)
    assert source.problem == ""


def test_one_interlaced_picture_is_shown(tmp_path):
    frames = all_frames(FileSource(interlaced_clip(tmp_path / "c.ts", count=1)))
    assert frames[0].pts_s == 0 and frames[0].image.shape == (72, 128, 3)


def test_turned_interlaced_pictures_are_upright_and_whole(tmp_path):
    path = interlaced_clip(tmp_path / "c.mp4", codec="libx264", turned=90)
    frames = all_frames(FileSource(path))
    assert len(frames) == 12 and frames[3].image.shape == (128, 72, 3)
    assert combs(np.rot90(frames[3].image, -1)) < 2


def test_pictures_that_are_not_interlaced_are_left_as_they_are(tmp_path):
    path = make_clip(tmp_path / "c.mp4", frames=5, noise=True)
    source = FileSource(path)
    with av.open(str(path)) as file:
        for raw in file.decode(video=0):
            source.read()
            assert np.array_equal(raw.to_ndarray(), source.decoded.to_ndarray())
    source.close()


def test_tiny_interlaced_pictures_are_shown_with_both_fields(tmp_path):
    path = make_clip(
        tmp_path / "c.ts",
        frames=5,
        width=16,
        height=2,
        codec="mpeg2video",
        codec_options={"flags": "+ilme+ildct"},
    )
    assert len(all_frames(FileSource(path))) == 5


# --- colours


def flat_yuv(width, height, rgb, matrix, full=False, pix_fmt="yuv420p"):
    """Return a picture of one colour, RGB from 0 to 1, converted by the textbook."""
    red_share, blue_share = {BT709: (0.2126, 0.0722), BT601: (0.299, 0.114), BT2020: (0.2627, 0.0593)}[matrix]
    r, g, b = rgb
    y = red_share * r + (1 - red_share - blue_share) * g + blue_share * b
    u, v = (b - y) / (2 - 2 * blue_share), (r - y) / (2 - 2 * red_share)
    bits = 10 if pix_fmt.endswith("10le") else 8
    one = 2 ** (bits - 8)
    top = 2**bits - 1
    codes = (y * top, 128 * one + u * top, 128 * one + v * top)
    if not full:
        codes = (one * (16 + 219 * y), one * (128 + 224 * u), one * (128 + 224 * v))
    frame = av.VideoFrame(width, height, pix_fmt)
    for plane, code in zip(frame.planes, codes, strict=True):
        kind = np.uint16 if bits > 8 else np.uint8
        plane.update(np.full(plane.buffer_size // kind().itemsize, round(code), kind).tobytes())
    frame.colorspace, frame.color_range = matrix, FULL if full else LIMITED
    return frame


def colour_clip(path, frame, tags=(), codec="libx264", count=3, size=None):
    """Write a clip of one picture; only what is in `tags` is written into the file as its colours."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options={"crf": "4"} if codec == "libx264" else {})
        stream.width, stream.height = frame.width, frame.height
        stream.pix_fmt = frame.format.name
        context = stream.codec_context
        for name in ("colorspace", "color_range", "color_trc", "color_primaries"):
            value = dict(tags).get(name, 0 if name == "color_range" else UNSPECIFIED)
            setattr(context, name, value)
            setattr(frame, name, value)
        for k in range(count):
            frame.pts, frame.time_base = k, Fraction(1, 25)
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


RED_SHARE = tuple(value / 255 for value in RED)
COLOURS = {
    "HD without a tag": (1280, 720, BT709, False, {}),
    "upright HD without a tag": (720, 1280, BT709, False, {}),
    "full HD without a tag": (1920, 1080, BT709, False, {}),
    "cinema without a tag": (1280, 536, BT709, False, {}),
    "PAL without a tag": (720, 576, BT601, False, {}),
    "NTSC without a tag": (720, 480, BT601, False, {}),
    "HD tagged BT.601": (1280, 720, BT601, False, {"colorspace": BT601}),
    "SD tagged BT.709": (320, 180, BT709, False, {"colorspace": BT709}),
    "full range": (320, 180, BT709, True, {"colorspace": BT709, "color_range": FULL}),
    "HD in full range without a matrix": (1280, 720, BT709, True, {"color_range": FULL}),
    "limited range, tagged": (320, 180, BT709, False, {"colorspace": BT709, "color_range": LIMITED}),
}


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("kind", COLOURS)
def test_colours_are_those_that_the_file_means(kind, pix_fmt, tmp_path):
    width, height, matrix, full, tags = COLOURS[kind]
    frame = flat_yuv(width, height, RED_SHARE, matrix, full, pix_fmt)
    path = colour_clip(tmp_path / "c.mkv", frame, tags.items())
    image = FileSource(path, max_px=2000).read().image
    assert image[20, 20].astype(int) == pytest.approx(RED, abs=4)


def test_which_matrix_a_picture_has():
    assert matrix_of(UNSPECIFIED, 1280, 720) == BT709 and matrix_of(UNSPECIFIED, 1024, 719) == BT601
    assert matrix_of(BT601, 1920, 1080) == BT601 and matrix_of(BT709, 160, 90) == BT709
    assert matrix_of(0, 1920, 1080) == BT709  # the tag of RGB means nothing for YUV
    assert matrix_of(10, 160, 90) == BT2020 and matrix_of(99, 160, 90) == BT601


def test_colours_of_an_unknown_kind_are_shown_all_the_same(tmp_path):
    path = colour_clip(tmp_path / "c.mkv", flat_yuv(320, 180, (0.5,) * 3, BT709), {"colorspace": 8}.items())
    source = FileSource(path)
    assert source.read().image[5, 5].astype(int) == pytest.approx((128,) * 3, abs=4)
    assert len(all_frames(source)) == 2 and source.problem == ""


def pq(nits):
    """Return the PQ code of light in cd/m², as SMPTE ST 2084 has it."""
    power = (nits / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


# What BT.1886 screens show as the same light, up to where highlights are rolled off; white of 203 cd/m² is near white.
HDR = {
    "PQ, black": (PQ, pq(0), 0),
    "PQ, 5 cd/m²": (PQ, pq(5), 255 * (5 / 203) ** (1 / 2.4)),
    "PQ, 26 cd/m², mid grey": (PQ, pq(26), 255 * (26 / 203) ** (1 / 2.4)),
    "PQ, white": (PQ, pq(203), 230),
    "PQ, highlight": (PQ, pq(1000), 255),
    "PQ, beyond": (PQ, pq(4000), 255),
    "HLG, black": (HLG, 0.0, 0),
    "HLG, mid grey": (HLG, 0.38, 255 * (26 / 203) ** (1 / 2.4)),
    "HLG, white": (HLG, 0.75, 230),
    "HLG, highlight": (HLG, 1.0, 255),
}


@pytest.mark.parametrize("kind", HDR)
def test_hdr_is_shown_as_sdr(kind, tmp_path):
    transfer, code, wanted = HDR[kind]
    tags = {"colorspace": BT2020, "color_primaries": 9, "color_trc": transfer, "color_range": LIMITED}
    frame = flat_yuv(322, 182, (code,) * 3, BT2020, pix_fmt="yuv420p10le")
    source = FileSource(colour_clip(tmp_path / "c.mkv", frame, tags.items(), codec="libx265"))
    image = source.read().image
    assert image.shape == (182, 322, 3) and image[20, 20].astype(int) == pytest.approx((wanted,) * 3, abs=4)
    assert source.decoded is None  # nobody may take it for SDR
    assert len(all_frames(source)) == 2 and source.problem == ""


def test_hdr_keeps_hues_and_order():
    greys = to_sdr(np.repeat(np.linspace(0, 1, 200)[:, None], 3, axis=1), PQ, wide=True)
    assert (np.diff(greys[:, 0]) >= 0).all() and greys[0, 0] == 0 and greys[-1, 0] == 1
    assert np.ptp(greys, axis=1).max() < 0.002
    # BT.709's red at 100 cd/m², in BT.2020's primaries: red again, and only that.
    red = to_sdr(np.array([[pq(62.74), pq(6.91), pq(1.64)]]), PQ, wide=True)[0]
    assert red == pytest.approx([(100 / 203) ** (1 / 2.4), 0, 0], abs=0.05)
    bright = to_sdr(np.array([[pq(2000), pq(1000), pq(200)]]), PQ, wide=False)[0]
    assert bright[0] > bright[1] > bright[2]


def test_bt2020_without_hdr_keeps_its_greys_and_widens_its_reds():
    grey = to_sdr(np.full((1, 3), 0.5), 14, wide=True)[0]
    assert grey == pytest.approx([0.5] * 3, abs=0.002)
    red = to_sdr(np.array([[0.5, 0.2, 0.2]]), 14, wide=True)[0]
    assert red[0] > 0.55 and red[1] < 0.2
    assert to_sdr(np.array([[0.5, 0.2, 0.2]]), 1, wide=False)[0] == pytest.approx([0.5, 0.2, 0.2], abs=1e-6)


HDR_TAGS = {"colorspace": BT2020, "color_primaries": 9, "color_trc": PQ}
EXPORTED = {
    "HD without a tag": (flat_yuv(1280, 720, RED_SHARE, BT709), {}, "libx264"),
    "SD without a tag": (flat_yuv(320, 180, RED_SHARE, BT601), {}, "libx264"),
    "HD tagged BT.601": (flat_yuv(1280, 720, RED_SHARE, BT601), {"colorspace": BT601}, "libx264"),
    "full range": (
        flat_yuv(320, 180, RED_SHARE, BT709, True),
        {"colorspace": BT709, "color_range": FULL},
        "libx264",
    ),
    "HDR": (
        flat_yuv(320, 180, (pq(100), pq(20), pq(20)), BT2020, pix_fmt="yuv420p10le"),
        HDR_TAGS,
        "libx265",
    ),
    "RGB": (flat(320, 180, RED).reformat(format="bgr0"), {}, "ffv1"),
}


def test_export_keeps_the_colours_of_the_first_clip_without_a_way_through_rgb(tmp_path):
    path = colour_clip(tmp_path / "c.mkv", flat_yuv(320, 180, RED_SHARE, BT601), {}.items(), count=10)
    source = open_source(str(path))
    assert source.decoded.colorspace == BT601
    like = source.decoded
    source.close()
    assert PictureFitter(320, 180, like).fitted(like) is like
    turned = PictureFitter(320, 180).fitted(np.full((180, 320, 3), RED, np.uint8))
    turned.colorspace = BT709  # as the file is marked where no picture was decoded
    assert turned.to_ndarray(format="rgb24")[9, 9].astype(int) == pytest.approx(RED, abs=4)


@pytest.mark.parametrize("kind", EXPORTED)
def test_exported_video_has_the_colours_of_the_picture(kind, tmp_path):
    frame, tags, codec = EXPORTED[kind]
    path = colour_clip(tmp_path / "c.mkv", frame, tags.items(), codec, count=30)
    source = FileSource(path)
    seen = source.read().image[20, 20].astype(int)
    source.close()
    what_if(source=str(path), run_dir=tmp_path / "run")
    write_mp4(load_run(tmp_path / "run"), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        pictures = list(file.decode(video=0))
    assert pictures[-1].colorspace not in (UNSPECIFIED, 0) and pictures[-1].color_trc not in (PQ, HLG)
    exported = pictures[-1].to_ndarray(format="rgb24")[20, 20]
    assert exported.astype(int) == pytest.approx(seen, abs=5)


@pytest.mark.parametrize("size", [(320, 180), (1280, 720)])
def test_pictures_that_are_recorded_come_back_in_their_colours(size, tmp_path):
    with H264Writer(tmp_path / "c.mkv", *size, 25, encoder={"preset": "ultrafast", "crf": "10"}) as video:
        for _ in range(3):
            video.write(np.full((size[1], size[0], 3), RED, np.uint8))
    assert FileSource(tmp_path / "c.mkv").read().image[20, 20].astype(int) == pytest.approx(RED, abs=4)


def test_images_can_be_made_after_the_file_is_closed(tmp_path):
    tags = {**HDR_TAGS, "color_range": LIMITED}
    for name, frame, tagged, codec in (
        ("a.mkv", flat_yuv(320, 180, (pq(203),) * 3, BT2020, pix_fmt="yuv420p10le"), tags, "libx265"),
        ("b.mkv", flat_yuv(320, 180, RED_SHARE, BT709), {}, "libx264"),
    ):
        video = OpenVideo(str(colour_clip(tmp_path / name, frame, tagged.items(), codec)), 1280, "no")
        picture = next(iter(video.pictures()))
        video.close()
        assert video.image(picture)[0].shape == (180, 320, 3)


# --- for how long


def placed(stamps, step_s=0.04, covered_until_s=float("-inf"), heard_until_s=None, shown_for_s=0.0):
    times = Timeline(step_s, covered_until_s)
    following = [*stamps[1:], None]
    return [times.place(a, shown_for_s, b, heard_until_s) for a, b in zip(stamps, following, strict=True)]


def test_one_stray_time_stamp_is_no_new_clock():
    right = [k * 0.04 for k in range(50)]
    for stray_s in (1e5, 5.0, 0.5, -0.5, -3.0, -1e5):
        for at in (1, 20, 48):
            stamps = list(right)
            stamps[at] += stray_s
            assert placed(stamps) == pytest.approx(right, abs=0.021), (stray_s, at)
    assert placed([1e5 + t for t in right]) == pytest.approx(right)


def test_clock_that_begins_again_goes_on_with_the_next_step():
    once = [k * 0.04 for k in range(25)]
    for second_s in (0.0, 95_000.0, 0.3):
        assert placed(once + [second_s + t for t in once]) == pytest.approx([k * 0.04 for k in range(50)])


def test_pictures_without_time_stamps_follow_each_other():
    assert placed([None] * 4) == pytest.approx([0, 0.04, 0.08, 0.12])
    assert placed([10.0, None, 10.08]) == pytest.approx([0, 0.04, 0.08])


def test_gap_that_something_covers_is_a_still_picture():
    stamps = [0.0, 0.04, 30.0, 30.04]
    assert placed(stamps) == pytest.approx([0, 0.04, 0.08, 0.12])
    assert placed(stamps, covered_until_s=30.1) == pytest.approx(stamps)
    assert placed(stamps, covered_until_s=20.0) == pytest.approx([0, 0.04, 0.08, 0.12])
    assert placed(stamps, heard_until_s=29.5) == pytest.approx(stamps)
    assert placed(stamps, heard_until_s=1.0) == pytest.approx([0, 0.04, 0.08, 0.12])
    assert placed(stamps, shown_for_s=29.96) == pytest.approx(stamps)


def still_clip(path, **more):
    """Write a picture a tenth of a second for 5 s, and again from 35 s to 40 s."""
    return make_clip(path, frames=100, fps=10, pts=lambda k: k if k < 50 else k + 300, **more)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("c.mp4", {}),
        ("c.mkv", {}),
        ("c.webm", {"codec": "libvpx-vp9"}),
        ("c.mkv", {"sound_s": 40.0}),
        ("c.ts", {"sound_s": 40.0}),
    ],
)
def test_nothing_changes_for_half_a_minute(name, more, tmp_path):
    source = FileSource(still_clip(tmp_path / name, **more))
    frames, sound_s, behind_s = [], 0.0, 0.0
    while (frame := source.read()) is not None:
        frames.append(frame)
        sound_s += sum(chunk.duration_s for chunk in source.read_sound())
        behind_s = max(behind_s, frame.pts_s - sound_s if frame.pts_s > 5 else 0.0)
    source.close()
    times = [f.pts_s for f in frames]
    assert source.problem == "" and times[-1] == pytest.approx(39.9, abs=0.02)
    assert all(b > a for a, b in zip(times, times[1:], strict=False)) and max(np.diff(times)) <= 1.0
    assert [f.index for f in frames] == list(range(len(frames)))
    still = [f for f in frames if 5.0 < f.pts_s < 34.9]
    assert len(still) >= 29 and all(np.array_equal(f.image, still[0].image) for f in still)
    if "sound_s" in more:
        assert source.info.has_sound and behind_s < 0.5 and sound_s == pytest.approx(40, abs=0.3)


def test_still_is_skipped_like_any_other_picture(tmp_path):
    source = FileSource(still_clip(tmp_path / "c.mp4"))
    source.read()
    late = source.read(20.2)
    after = source.read(35.5)
    assert late.pts_s == pytest.approx(20.5, abs=0.5) and after.pts_s == pytest.approx(35.5)
    whole = {f.index: f for f in all_frames(FileSource(still_clip(tmp_path / "c.mp4")))}
    for frame in (late, after):
        assert whole[frame.index].pts_s == frame.pts_s and np.array_equal(
            whole[frame.index].image, frame.image
        )
    assert source.skipped == after.index - 2
    source.close()


def test_sound_that_pauses_with_the_picture_comes_back_with_it(tmp_path):
    with av.open(str(tmp_path / "c.mp4"), "w") as out:
        picture = out.add_stream("libx264", rate=10, options={"bf": "0"})
        picture.width, picture.height, picture.pix_fmt = 64, 36, "yuv420p"
        sound = out.add_stream("aac", rate=48_000, layout="mono")
        packets = []
        for begin_s in (0, 35):
            for k in range(50):
                packets += picture.encode(flat(64, 36, (4 * k, 0, 0), 10 * begin_s + k, 10))
            for k in range(234):
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                frame.sample_rate, frame.pts, frame.time_base = (
                    48_000,
                    48_000 * begin_s + 1024 * k,
                    Fraction(1, 48_000),
                )
                packets += sound.encode(frame)
        packets += picture.encode(None) + sound.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            out.mux(packet)
    source = FileSource(tmp_path / "c.mp4")
    chunks, frames = [], []
    while (frame := source.read()) is not None:
        frames.append(frame)
        chunks += source.read_sound()
    chunks += source.read_sound()
    source.close()
    assert frames[-1].pts_s == pytest.approx(39.9) and source.problem == ""
    late = [chunk.from_s for chunk in chunks if chunk.from_s > 10]
    assert late[0] == pytest.approx(35, abs=0.1) and chunks[-1].from_s == pytest.approx(40, abs=0.1)


def test_session_goes_through_a_still_picture(tmp_path):
    source = open_source(str(still_clip(tmp_path / "c.mp4")))
    session = what_if(source=source, run_dir=tmp_path / "run")
    assert session.log.header["source_problem"] == ""
    assert session.log.cycles.decide_s.max() > 35
    write_mp4(load_run(tmp_path / "run"), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.duration / av.time_base == pytest.approx(40, abs=3)


def test_gap_without_anything_that_covers_it_is_a_fault(tmp_path):
    for more in ({}, {"sound_s": 5.0}):
        frames = all_frames(FileSource(still_clip(tmp_path / "c.ts", **more)))
        assert len(frames) == 100 and frames[-1].pts_s == pytest.approx(9.9, abs=0.02)


def last_one_lasts(path, seconds):
    """Write ten pictures in a second, of which the last is shown for so many seconds."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        packets = []
        for k in range(10):
            packets += stream.encode(flat(64, 36, (20 * k, 0, 0), k, 10))
        packets += stream.encode(None)
        packets[-1].duration = round(seconds / packets[-1].time_base)
        for packet in packets:
            out.mux(packet)
    return path


@pytest.mark.parametrize("name", ["c.mp4", "c.mov", "c.mkv"])
def test_still_at_the_end_lasts_as_long_as_it_says(name, tmp_path):
    source = FileSource(last_one_lasts(tmp_path / name, 20.0))
    frames = all_frames(source)
    assert source.problem == "" and 20.0 <= frames[-1].pts_s < 20.9
    assert source.end_s == pytest.approx(20.9, abs=0.05)


def test_recorded_frames_keep_their_numbers_over_a_gap(tmp_path):
    still_clip(tmp_path / "source.mkv")
    (tmp_path / "source.csv").write_text("".join(f"{7 * k}\n" for k in range(100)))
    frames = all_frames(RecordedSource(tmp_path))
    assert [f.index for f in frames] == [7 * k for k in range(100)]
    times = [k / 10 if k < 50 else k / 10 + 30 for k in range(100)]
    assert [f.pts_s for f in frames] == pytest.approx(times, abs=0.01)


# --- one picture


ONE = {
    "png": ("c.png", dict(codec="png", pix_fmt="rgb24", container="image2", options={"update": "1"})),
    "jpeg": ("c.jpg", dict(codec="mjpeg", pix_fmt="yuvj420p", container="image2", options={"update": "1"})),
    "webp": ("c.webp", dict(codec="libwebp", container="image2", options={"update": "1"})),
    "video": ("c.mp4", {}),
    "transparent": ("c.png", dict(codec="png", pix_fmt="rgba", container="image2", options={"update": "1"})),
}


@pytest.mark.parametrize("kind", ONE)
def test_one_picture_is_shown_for_five_seconds_or_as_long_as_wanted(kind, tmp_path):
    name, made = ONE[kind]
    path = make_clip(tmp_path / name, frames=1, **made)
    source = open_source(str(path))
    frames = all_frames(source)
    assert source.problem == "" and source.info.duration_s == 5.0
    assert 4.0 <= frames[-1].pts_s < 5.0 and 5 <= len(frames) <= 20
    assert all(np.array_equal(f.image, frames[0].image) for f in frames)
    source = open_source(str(path), duration_s=13.0)
    frames = all_frames(source)
    assert source.info.duration_s == 13.0 and 12.0 <= frames[-1].pts_s < 13.0
    assert [f.index for f in frames] == list(range(len(frames)))


def test_pictures_and_clips_follow_each_other(tmp_path):
    picture = make_clip(tmp_path / "c.png", frames=1, **ONE["png"][1])
    clip = make_clip(tmp_path / "c.mp4", frames=25)
    source = open_source([str(picture), str(clip), str(picture)])
    assert source.info.duration_s == pytest.approx(11.0)
    assert all_frames(source)[-1].pts_s == pytest.approx(10.5)


def test_one_picture_with_music_lasts_as_long_as_the_music(tmp_path):
    source = FileSource(make_clip(tmp_path / "c.mp4", frames=1, sound_s=90.0))
    sound_s = 0.0
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
        sound_s += sum(chunk.duration_s for chunk in source.read_sound())
        assert sound_s < frame.pts_s + 3
    sound_s += sum(chunk.duration_s for chunk in source.read_sound())
    source.close()
    assert frames[-1].pts_s == pytest.approx(89.5, abs=0.6) and sound_s == pytest.approx(90, abs=0.3)
    assert source.info.duration_s == pytest.approx(90, abs=0.3)


def test_film_of_which_one_picture_is_left_is_no_still(tmp_path):
    path = make_clip(tmp_path / "c.mkv", frames=100, noise=True, codec="ffv1", width=320, height=180)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 60])
    source = FileSource(path)
    frames = all_frames(source)
    assert len(frames) == 1 and "breaks off after" in source.problem
