"""Cases of `bench_words`: captions in many scripts, in every file that a run leaves, and in its picture."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.runs.caption_painter import CaptionPainter
from commentator_lib.runs.captions import cues, write_captions
from commentator_lib.runs.export_video import write_mp4
from commentator_lib.runs.fonts import font_advice, missing_characters
from commentator_lib.runs.line_breaks import LINE_COLUMNS, LINES, columns, is_right_to_left
from commentator_lib.runs.reader import SavedRun, load_run
from commentator_lib.runs.text_shaping import shaped
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings

# What a commentator says of a street, a kitchen and a match; none of it is in the library's tests.
SENTENCES = {
    "Chinese": "一位骑自行车的女士停在红绿灯前，看了看手机，然后右转进入一条小巷。公交车按了一下喇叭。",
    "traditional Chinese": "廚師把洋蔥切成薄片，放進熱油裡翻炒，整個廚房充滿了香味，旁邊的學徒忙著洗碗。",
    "Japanese": "自転車に乗った女性が信号で止まり、携帯を見てから、静かな路地へ曲がりました。バスが鳴らします。",
    "Korean": "자전거를 탄 여성이 신호등 앞에 멈춰 전화를 확인한 뒤 골목으로 우회전합니다. 버스가 경적을 울립니다.",
    "Arabic": "تتوقف امرأة على دراجتها عند الإشارة الحمراء، وتنظر إلى هاتفها (رقم 12)، ثم تنعطف يمينًا إلى زقاق هادئ.",
    "Persian": "زنی با دوچرخه پشت چراغ قرمز می‌ایستد، به گوشی‌اش نگاه می‌کند و بعد به کوچه‌ای آرام می‌پیچد.",
    "Hebrew": "אישה על אופניים עוצרת ברמזור, מביטה בטלפון שלה ופונה ימינה לסמטה שקטה ליד Café Central.",
    "Thai": "ผู้หญิงขี่จักรยานหยุดที่ไฟแดง มองโทรศัพท์มือถือ แล้วเลี้ยวขวาเข้าซอยเงียบๆ รถเมล์ที่ตามมาบีบแตรหนึ่งครั้ง",
    "Hindi": "साइकिल पर सवार एक महिला लाल बत्ती पर रुकती है, अपना फ़ोन देखती है और फिर एक शांत गली में दाएँ मुड़ जाती है।",
    "Tamil": "மிதிவண்டியில் செல்லும் ஒரு பெண் சிவப்பு விளக்கில் நின்று, தன் கைபேசியைப் பார்த்துவிட்டு வலப்புறம் திரும்புகிறார்.",
    "Bengali": "সাইকেলে চড়া একজন মহিলা লাল বাতিতে থামেন, ফোনের দিকে তাকান এবং তারপর একটি শান্ত গলিতে ডানদিকে মোড় নেন।",
    "Russian": "Женщина на велосипеде останавливается на красный свет, смотрит в телефон и едет дальше.",
    "Ukrainian": "Жінка на велосипеді зупиняється на червоне світло, дивиться в телефон — і їде на ґанок.",
    "Greek": "Μια γυναίκα με ποδήλατο σταματά στο κόκκινο φανάρι, κοιτάζει το κινητό της και στρίβει δεξιά.",
    "Vietnamese": "Một người phụ nữ đi xe đạp dừng lại trước đèn đỏ, nhìn điện thoại rồi rẽ phải vào hẻm.",
    "Turkish": "Bisikletli bir kadın kırmızı ışıkta durur, telefonuna bakar ve sağa döner; İğde ağacı.",
    "German": "Eine Frau auf dem Fahrrad hält an der roten Ampel, schaut aufs Telefon und biegt rechts ab.",
    "Armenian": "Կինը հեծանիվով կանգնում է կարմիր լույսի տակ, նայում հեռախոսին և թեքվում դեպի հանգիստ նրբանցք։",
    "Georgian": "ქალი ველოსიპედით წითელ შუქზე ჩერდება, ტელეფონს უყურებს და წყნარ ქუჩაზე უხვევს მარჯვნივ.",
    "many at once": "Frau 李 zeigt dem Fahrer מונית den Weg nach القاهرة, er nickt — «Да», ตกลง, 네, हाँ, ναι, 3:2!",
    "no spaces at all": "A" * 130,
    "marks of files": "He says stop & --> {go}: \\N is no line end; 5 < 6 > 4, and & more.",
}


@functools.cache
def _spoken(sentence: str, folder: Path) -> SavedRun:
    """Return a short run in which one sentence is said."""
    commentator = ScriptedCommentator([sentence, "..."], CostModel(0.5, 0.0, 1.5, 0.0, 0.2), "tone")
    settings = Settings(change_threshold=0.0, commentator="scripted")
    LiveSession(
        "synthetic:8", settings, commentator=commentator, mode="what-if", run_dir=folder / "run"
    ).run()
    return load_run(folder / "run")


def _letters(text: str) -> str:
    return re.sub(r"\s", "", text)


def files_of(sentence: str) -> Callable[[Path], str]:
    """Return a case: WebVTT, SubRip, TTML and the MP4's subtitles have the sentence in two short lines at a time.

    It is said more than once.
    """

    def check(folder: Path) -> str:
        run = _spoken(sentence, folder)
        write_captions(run, folder)
        vtt = (folder / "commentary.vtt").read_text("utf-8").strip().split("\n\n")[1:]
        srt = (folder / "commentary.srt").read_text("utf-8").strip().split("\n\n")
        root = ElementTree.parse(folder / "commentary.ttml").getroot()
        found = {
            "VTT": [
                [
                    line.replace("<v scripted>", "")
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&amp;", "&")
                    for line in block.split("\n")[1:]
                ]
                for block in vtt
            ],
            "SRT": [block.split("\n")[2:] for block in srt],
            "TTML": [
                [p.text or "", *(br.tail or "" for br in p)]
                for p in root.iter("{http://www.w3.org/ns/ttml}p")
            ],
        }
        write_mp4(run, folder / "out.mp4")
        with av.open(str(folder / "out.mp4")) as file:
            found["MP4"] = [
                bytes(packet)[2:].decode().split("\n")
                for packet in file.demux(subtitles=0)
                if packet.size > 2
            ]
        for name, captions in found.items():
            said = "".join(map("".join, captions))
            times = len(_letters(said)) // len(_letters(sentence))
            if not said or _letters(said) != times * _letters(sentence):
                return f"{name} says {said!r}"
            for lines in captions:
                if len(lines) > LINES or max(map(columns, lines)) > LINE_COLUMNS:
                    return f"{name} has a caption of {len(lines)} lines, {max(map(columns, lines))} columns"
        return ""

    return check


def picture_of(sentence: str) -> Callable[[Path], str]:
    """Return a case: in the exported picture each caption is drawn whole, in two lines, with letters of a font."""

    def check(folder: Path) -> str:
        run = _spoken(sentence, folder)
        found = cues(run)
        if missing := missing_characters(cue.text for cue in found):
            return font_advice(missing)
        for width, height in ((1280, 720), (640, 360), (270, 480)):
            painter = CaptionPainter(width, height, "scripted")
            for cue in found:
                size_px, lines = painter.laid_out(cue.text)
                if len(lines) > LINES:
                    return f"{len(lines)} lines at {width} × {height}"
                if not _letters("".join(lines)).endswith(_letters(cue.text)):
                    return f"drawn is {lines} of {cue.text!r}"
                for line in lines:
                    one = shaped(line, is_right_to_left(cue.text))
                    if one.width * size_px > width:
                        return f"a line is {one.width * size_px:.0f} of {width} pixels wide"
                    if any(glyph.number == 0 for glyph in one.glyphs):
                        return f"a box in {line!r}"
        write_mp4(run, folder / "out.mp4")
        with av.open(str(folder / "out.mp4")) as file:
            pictures = [
                (frame.time or 0.0, frame.to_ndarray(format="gray")) for frame in file.decode(video=0)
            ]
        first = min(at for at, _ in pictures) + 0.2
        light = np.max([picture[picture.shape[0] // 2 :].max() for at, picture in pictures if at > first])
        return "" if light > 150 else "no light letters in the picture"

    return check


def _no_font(folder: Path) -> str:
    """Check that letters of no font leave the picture as it is, stand in the subtitles, and that a font is named."""
    sentence = "\U0001e900\U0001e901 and \uf8ff."  # Adlam, and a private character, which only few fonts have
    run = _spoken(sentence, folder)
    missing = missing_characters([sentence])
    if not missing:
        return ""  # a machine with a font for all of them
    advice = font_advice(missing)
    if "install" not in advice or missing[0] not in advice:
        return f"the advice is {advice!r}"
    write_mp4(run, folder / "out.mp4")
    with av.open(str(folder / "out.mp4")) as file:
        texts = [bytes(packet)[2:].decode() for packet in file.demux(subtitles=0) if packet.size > 2]
    if _letters("".join(texts)) != _letters("".join(cue.text for cue in cues(run))):
        return f"the subtitles are {texts}"
    return ""


def _growing_chinese(folder: Path) -> str:
    """Check that Chinese words which come one after another are joined without spaces."""
    run = _spoken(SENTENCES["Chinese"], folder)
    texts = [cue.text for cue in cues(run)]
    spaced = [text for text in texts if " " in text]
    return f"spaces in {spaced}" if spaced else "" if len(texts) > 1 else f"one caption: {texts}"


CASES: dict[str, Callable[[Path], str]] = {
    **{f"files, {name}": files_of(sentence) for name, sentence in SENTENCES.items()},
    **{f"picture, {name}": picture_of(sentence) for name, sentence in SENTENCES.items()},
    "letters that no font has": _no_font,
    "Chinese that grows": _growing_chinese,
}
