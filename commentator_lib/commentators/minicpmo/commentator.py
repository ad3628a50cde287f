"""MiniCPM-o 4.5 as a commentator: it sees the frames, writes, and speaks while it still writes.

Its own `chat()` gives text at the end, and its `streaming_generate()` writes ten tokens, speaks them, writes the
next ten: one waits for the other. Here the language model writes in the inference thread, token by token, and a
thread of its own turns the text into sound beside it, on a CUDA stream of its own.

Text is given out with the sound that says it, so that captions, and what is taken for heard, keep step with the
voice. A voice that fails takes only the sound. A comment for which the GPU's memory does not suffice is given
up with its caches freed; the next one finds the room.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from commentator_lib.commentators.base import (
    MODEL_STAGES,
    Commentator,
    CommentatorError,
    CommentChunk,
    CommentRequest,
    StageTimes,
)
from commentator_lib.commentators.minicpmo.checkpoint import (
    can_slim,
    find_assets,
    find_reference_audio,
    inspect_checkpoint,
    memory_problem,
    read_reference_audio,
)
from commentator_lib.commentators.weights import find_checkpoint
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.settings import Settings

if TYPE_CHECKING:
    from commentator_lib.commentators.minicpmo.graphs import GraphPool
    from commentator_lib.commentators.minicpmo.loading import Loaded
    from commentator_lib.commentators.minicpmo.sequence import Sequence

_INSTALL = "pip install 'commentator-lib[minicpmo]'"
# A chunk of text that is still being spoken takes about this many audio tokens a text token: 0.3 s.
_TYPICAL_PER_TEXT_TOKEN = 8
# Positions that a recorded step has room for: prompt and comment (four pictures are 264), and a comment's speech
# (80 s). A longer prompt runs the plain way, a longer speech ends.
_PROMPT_ROOM = 1024
_SPEECH_ROOM = 2048
# Prompts are recorded once for each multiple of so many positions, chunks of text likewise (10 tokens, 1 or 2 signs).
# The prompts of a session are longer than the one that warms up, by its role, its rules and the last comment: 80 to 190
# tokens with the profiles of this project.
_PROMPT_BUCKET, _PROMPTS_AHEAD = 64, 4
_TEXT_BUCKET = 12
_LONGEST_TEXT = _LONGEST_PROMPT = 8192
# So many pictures are warmed up for one by one, while a session's window fills.
_FIRST_COUNTS = 4


class MiniCPMOCommentator(Commentator):
    """The model that `settings` name. CommentatorError at once for what can be told without loading it: the
    checkpoint, the GPU, its memory, the voice's files.

    `load` replaces the loading of a checkpoint, for models that are made and not loaded; `graphs` False keeps to
    the plain way of running it on a GPU too.
    """

    def __init__(
        self, settings: Settings, load: Callable[[], Loaded] | None = None, graphs: bool = True
    ) -> None:
        self._settings = settings
        self._graphs = graphs
        self._load = load or _loader(settings)
        self.name = f"minicpmo: {settings.model_path.rstrip('/').rsplit('/', 1)[-1] or 'made'}"
        self._loaded: Loaded | None = None
        self._speaker: _Speaker | None = None
        self._settles = True
        self._frame_size, self._met_size = (448, 448), (0, 0)

    @property
    def has_voice(self) -> bool:
        """Whether it speaks itself: where it was loaded with its voice."""
        return self._settings.speech if self._loaded is None else self._loaded.vocoder is not None

    def expect_frames(self, width: int, height: int) -> None:
        """The next `warm_up` will meet frames of this size."""
        self._frame_size = width, height

    def warm_up(self) -> None:
        """Load the model and say one short thing, so that the first comment is not slower than the others."""
        import torch

        try:
            if self._loaded is None:
                self._load_all()
            if self._met_size != self._frame_size:
                self._met_size = self._frame_size
                self._say_hello()
        except (torch.OutOfMemoryError, MemoryError):
            self.close()
            raise CommentatorError(
                "the model fits into the GPU's memory, and not even a short comment does beside it: "
                "end what else uses it, set speech=false, or take the AWQ INT4 checkpoint"
            ) from None

    def _load_all(self) -> None:
        import torch

        from commentator_lib.commentators.minicpmo.decode import Writer, stop_ids, suppressed_ids
        from commentator_lib.commentators.minicpmo.graphs import GraphPool
        from commentator_lib.commentators.minicpmo.memory import compact, free_gpu, small_workspaces
        from commentator_lib.commentators.minicpmo.sampling import Sampling
        from commentator_lib.commentators.minicpmo.sequence import PlainSequence
        from commentator_lib.commentators.minicpmo.slim import slim
        from commentator_lib.commentators.minicpmo.talker import Talker
        from commentator_lib.commentators.minicpmo.vision import Vision

        small_workspaces()
        self._loaded = loaded = self._load()
        model, tokenizer = loaded.model, loaded.processor.tokenizer
        self._stops, self._suppressed = stop_ids(tokenizer), suppressed_ids(tokenizer)
        quick = self._graphs and loaded.device.type == "cuda"
        # The voice runs beside the language model; all else takes turns.
        lane, voice_lane = (GraphPool(), GraphPool()) if quick else (None, None)
        slimmed = quick and slim(model)
        self._vision = None
        if self._graphs and Vision.knows(model, loaded.processor):
            self._vision = Vision(model, loaded.processor.image_processor, lane)
        sampling = Sampling(temperature=self._settings.temperature)
        drawn = torch.Generator(loaded.device).manual_seed(self._settings.seed)

        def writer(sequence: Sequence, lane: GraphPool | None = None) -> Writer:
            if slimmed and lane:
                compact([model])  # all is converted and joined by now, and nothing is recorded yet
            return Writer(model.llm, sequence, sampling, most=_LONGEST_TEXT, generator=drawn, lane=lane)

        self._plain_writer = writer(PlainSequence(model.llm.model))
        self._writer = (
            lane
            and self._recorded(writer, model.llm.model, lane, _PROMPT_ROOM, _PROMPT_BUCKET, _PROMPTS_AHEAD)
        ) or self._plain_writer
        # The voice when the language model has become small: it brings what it needs once, and then frees.
        free_gpu()
        loaded.load_voice()
        if quick:
            self._quicken_voice(voice_lane)
        if loaded.vocoder is not None:
            drawn_too = torch.Generator(loaded.device).manual_seed(self._settings.seed + 1)

            def talker(sequence: Sequence, lane: GraphPool | None = None) -> Talker:
                return Talker(model.tts, sequence, drawn_too, lane=lane)

            made = voice_lane and self._recorded(
                talker, model.tts.model, voice_lane, _SPEECH_ROOM, _TEXT_BUCKET
            )
            made = made or talker(PlainSequence(model.tts.model))
            self._speaker = _Speaker(made, loaded.vocoder, loaded.device)
        free_gpu()

    def _say_hello(self) -> None:
        """Short comments on as many pictures as a session's comments will see: its first ones see fewer.

        The most first: its prompt is the longest, and what is recorded later finds room in the memory of that. The last
        one is spoken, when little else that is met for the first time takes memory beside it.
        """
        width, height = self._frame_size
        grey = Frame(0, 0.0, 0.0, np.full((height, width, 3), 127, np.uint8))
        most = self._settings.frames_per_inference
        counts = sorted({*range(1, min(most, _FIRST_COUNTS)), most}, reverse=True)
        for count in counts:
            for _ in self.comment(
                CommentRequest([grey] * count, "Say hello.", 12, speech=count == counts[-1])
            ):
                pass

    def _recorded(
        self,
        make: Callable[[Sequence, GraphPool], Any],
        model,
        lane: GraphPool,
        length: int,
        bucket: int,
        ahead: int = 0,
    ) -> Any:
        """What `make` makes of the written-out layers of `model` and CUDA graphs; None where that cannot be."""
        from commentator_lib.commentators.minicpmo.sequence import LayeredSequence

        try:
            return make(LayeredSequence(model, length, lane, bucket, ahead), lane)
        except Exception as error:  # no Triton, no compiler or one of another mind, other layers
            _warn_of_slowness(type(model).__name__, error)
            return None

    def _quicken_voice(self, lane: GraphPool) -> None:
        if self._loaded.vocoder is None:
            return
        try:
            self._loaded.vocoder.quicken(lane)
        except RuntimeError as error:
            _warn_of_slowness("the vocoder", error)

    def close(self) -> None:
        """Free the GPU; `warm_up` loads again."""
        from commentator_lib.commentators.minicpmo.memory import free_gpu

        self._loaded = self._speaker = self._writer = self._plain_writer = self._vision = None
        self._met_size = (0, 0)
        free_gpu()

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        """One comment; text that is spoken comes with its sound. Frames (H, W, 3) uint8 of any sizes."""
        import torch

        from commentator_lib.commentators.minicpmo.memory import free_gpu

        self.warm_up()
        problem = ""
        try:
            yield from self._comment(request)
            self._settle()
        except torch.OutOfMemoryError:
            # Not from inside: the error holds the frames of the call, and they hold the tensors.
            problem = "the GPU's memory did not suffice for this comment; its caches were freed"
        finally:
            if problem:
                free_gpu()
        if problem:
            raise MemoryError(problem)

    def _settle(self) -> None:
        """Record what was new in this comment: its words are out, and its sound takes seconds to play."""
        if not self._settles:
            return
        try:
            for part in (self._writer, self._vision, self._speaker):
                if part is not None:
                    part.settle()
        except RuntimeError as error:  # too little memory among them: the comment itself was given
            self._settles = False
            _warn_of_slowness("what was new in a comment", error)

    def _comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        speech = request.speech and self._speaker is not None
        clock = _StageClock(self._loaded.device)
        inputs, embeds = self._look(request, speech, clock)
        images = inputs["image_bound"][0]
        image_tokens = sum(int(end - start) + 2 for start, end in images)
        started = CommentChunk(
            "", None, 0, image_tokens=image_tokens, prompt_tokens=int(inputs["input_ids"].shape[-1])
        )
        fits = embeds.shape[1] + request.max_new_tokens <= _PROMPT_ROOM
        tokens = (self._writer if fits else self._plain_writer).generate(
            [embeds],
            max_new_tokens=request.max_new_tokens,
            stops=self._stops,
            suppressed=self._suppressed if speech else [],
        )
        tokens = clock.timed(tokens, "prefill", "decode")
        with contextlib.closing(tokens):
            if speech:
                yield from self._spoken(tokens, started, clock)
            else:
                yield from self._written(tokens, started, clock)

    def _look(self, request: CommentRequest, speech: bool, clock: _StageClock) -> tuple[Any, Any]:
        """The request as the model's inputs, and as its embeddings (1, n, H)."""
        import torch
        from PIL import Image

        model, processor = self._loaded.model, self._loaded.processor
        vision = self._vision
        size = vision and vision.size(request.frames, self._settings.max_slice_nums)
        if size:  # the GPU looks while the words become tokens
            with clock.stage("vision", wait=False):
                seen = vision.look(request.frames)
        with clock.stage("preprocess", wait=not size):
            content = "\n".join(["<image>./</image>"] * len(request.frames) + [request.prompt])
            prompt = processor.tokenizer.apply_chat_template(
                [{"role": "user", "content": content}],
                tokenize=False,
                add_generation_prompt=True,
                use_tts_template=speech,
                enable_thinking=False,
            )
            if size:
                image = processor.image_processor.get_slice_image_placeholder(
                    size, 0, self._settings.max_slice_nums, use_image_id=False
                )
                ids, bounds, *_ = processor._convert(
                    prompt.replace("<image>./</image>", image), _LONGEST_PROMPT
                )
                ids = ids[None].to(self._loaded.device, non_blocking=True)
                inputs: Any = {"input_ids": ids, "image_bound": [bounds]}
            else:
                pictures = [Image.fromarray(frame.image) for frame in request.frames]
                inputs = processor(
                    [prompt],
                    [pictures],
                    [[]],
                    None,
                    max_slice_nums=self._settings.max_slice_nums,
                    use_image_id=False,
                    return_tensors="pt",
                    max_length=_LONGEST_PROMPT,
                ).to(self._loaded.device)
        with clock.stage("vision"), torch.inference_mode():
            if size:
                places = torch.cat([torch.arange(start, end) for start, end in inputs["image_bound"][0]])
                embeds = model.llm.model.embed_tokens(inputs["input_ids"])
                embeds[0, places.to(embeds.device, non_blocking=True)] = seen.to(embeds.dtype)
            else:
                wanted = ("input_ids", "pixel_values", "tgt_sizes", "image_bound")
                embeds, _ = model.get_vllm_embedding({key: inputs[key] for key in wanted})
        return inputs, embeds

    def _written(self, tokens: Iterator, started: CommentChunk, clock: _StageClock) -> Iterator[CommentChunk]:
        """Text as it comes."""
        from commentator_lib.commentators.minicpmo.decode import TextStream

        text = TextStream(self._loaded.processor.tokenizer)
        yield started
        for token, _hidden in tokens:
            if token is not None:
                yield CommentChunk(text.push([token]), None, 1)
        yield CommentChunk(text.push([], last=True), None, 0, stage_times=clock.times)

    def _spoken(self, tokens: Iterator, started: CommentChunk, clock: _StageClock) -> Iterator[CommentChunk]:
        """Text with its sound, as the voice gets on; the voice works while the next tokens come."""
        import torch

        from commentator_lib.commentators.minicpmo.decode import TextStream
        from commentator_lib.commentators.minicpmo.sampling import TEXT_CHUNK

        text = TextStream(self._loaded.processor.tokenizer)
        given = 0
        ids: list[int] = []
        hiddens: list[Any] = []
        sent = 0
        said = ""
        yield started
        first = next(tokens)  # before the voice's thread asks for the interpreter too
        with self._speaker.comment(clock) as speaker:

            def chunk_of(piece: _Spoken) -> CommentChunk:
                nonlocal given
                new, given = ids[given : piece.text_tokens], max(given, piece.text_tokens)
                sound = None if piece.samples is None else AudioChunk(piece.samples, speaker.rate_hz)
                return CommentChunk(text.push(new), sound, 0, problem=piece.problem)

            for token, hidden in chain([first], tokens):
                if hidden is not None:
                    hiddens.append(hidden)
                last = token is None
                waiting = len(hiddens) - sent
                if waiting and (last or waiting % TEXT_CHUNK == 0):
                    said = said or self._words(ids)
                    if said:  # "..." is never spoken
                        speaker.say(ids[sent : len(hiddens)], torch.cat(hiddens[sent:], dim=1), last)
                        sent = len(hiddens)
                if not last:
                    ids.append(token)
                    yield CommentChunk("", None, 1)
                for piece in speaker.ready():
                    yield chunk_of(piece)
            if said:
                for piece in speaker.rest():
                    yield chunk_of(piece)
        yield CommentChunk(text.push(ids[given:], last=True), None, 0, stage_times=clock.times)

    def _words(self, ids: list[int]) -> str:
        """The text if there is a word in it."""
        text = self._loaded.processor.tokenizer.decode(ids, skip_special_tokens=True)
        return text if any(c.isalnum() for c in text) else ""


def _warn_of_slowness(what: str, error: Exception) -> None:
    warnings.warn(
        f"no CUDA graphs for {what}, so it runs slower: {type(error).__name__}: {str(error)[:300]}",
        stacklevel=3,
    )


@dataclass(frozen=True, slots=True)
class _Spoken:
    """Sound (N,) float32 that has become ready, and how many tokens of the text it has come to."""

    text_tokens: int
    samples: np.ndarray | None
    problem: str = ""


def text_reached(spans: list[tuple[int, int]], position: int) -> int:
    """How many text tokens have been said after `position` audio tokens.

    `spans` has one (text tokens, audio tokens) for each chunk of text; the last may still be growing, and is
    taken for at least as long as chunks usually are. Within a chunk the words are spread evenly.
    """
    reached = 0
    for number, (texts, audios) in enumerate(spans, start=1):
        closed = number < len(spans)
        length = audios if closed else max(audios, texts * _TYPICAL_PER_TEXT_TOKEN)
        if position < length:
            return reached + texts * max(0, position) // length
        reached += texts
        position -= length
    return reached


class _Speaker:
    """Talker and vocoder, in a thread for each comment, which ends with it."""

    rate_hz = 24_000

    def __init__(self, talker, vocoder, device) -> None:
        import torch

        self._talker, self._vocoder = talker, vocoder
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def settle(self) -> None:
        self._talker.settle()

    @contextlib.contextmanager
    def comment(self, clock: _StageClock) -> Iterator[_Speaker]:
        """While it is open, `say` hands over text and `ready` and `rest` give what was spoken of it."""
        self._inbox: queue.SimpleQueue = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._over = False
        thread = threading.Thread(target=self._run, args=(clock,), name="speech", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._cancelled.set()
            self._inbox.put(None)
            thread.join()

    def say(self, ids: list[int], hidden, last: bool) -> None:
        """A chunk of text: its tokens, and the language model's hidden states (1, n, H) after each."""
        event = None
        if self._stream is not None:
            import torch

            event = (
                torch.cuda.current_stream().record_event()
            )  # the voice's stream must wait for these tensors
        self._inbox.put((ids, hidden, last, event))

    def ready(self) -> Iterator[_Spoken]:
        """What has become ready, without waiting."""
        with contextlib.suppress(queue.Empty):
            yield from iter(lambda: self._next(wait=False), None)

    def rest(self) -> Iterator[_Spoken]:
        """What is still to come, waiting for it; after the last chunk of text was handed over."""
        yield from iter(lambda: self._next(wait=True), None)

    def _next(self, wait: bool) -> _Spoken | None:
        """The next piece; None when there will be no more, as often as it is asked."""
        if not self._over:
            piece = self._outbox.get(wait)
            self._over = piece is None
            return piece
        return None

    def _run(self, clock: _StageClock) -> None:
        import torch

        try:
            with torch.cuda.stream(self._stream) if self._stream else contextlib.nullcontext():
                self._speak(clock)
        except Exception as error:  # a voice may fail in any way; the text must go on
            self._outbox.put(_Spoken(0, None, f"voice: {type(error).__name__}: {str(error)[:200]}"))
        finally:
            self._outbox.put(None)

    def _speak(self, clock: _StageClock) -> None:
        import torch

        self._talker.begin()
        self._vocoder.begin()
        spans: list[tuple[int, int]] = []
        last = False
        while not last and (job := self._inbox.get()) is not None:
            ids, hidden, last, event = job
            if event is not None:
                self._stream.wait_event(event)
                hidden.record_stream(self._stream)
            spans.append((len(ids), 0))
            tokens = self._talker.say(torch.tensor([ids], device=hidden.device), hidden, last)
            for token in clock.timed(tokens, "talker", "talker"):
                if self._cancelled.is_set():
                    return
                spans[-1] = (len(ids), spans[-1][1] + 1)
                with clock.stage("vocoder"):
                    samples = self._vocoder.push(token)
                if samples is not None:
                    reached = text_reached(spans, self._vocoder.spoken_tokens)
                    self._outbox.put(_Spoken(reached, samples))
        if self._cancelled.is_set():
            return
        with clock.stage("vocoder"):
            rest = list(self._vocoder.finish())
        for samples in rest:
            self._outbox.put(_Spoken(sum(texts for texts, _ in spans), samples))


class _StageClock:
    """Seconds spent in each stage. The GPU is waited for at a stage's end, or the next would pay for it; `wait` False
    lets the next run beside it."""

    def __init__(self, device) -> None:
        self.seconds = dict.fromkeys(MODEL_STAGES, 0.0)
        self._on_gpu = device.type == "cuda"

    @property
    def times(self) -> StageTimes:
        return StageTimes.from_mapping(self.seconds)

    @contextlib.contextmanager
    def stage(self, name: str, wait: bool = True) -> Iterator[None]:
        started_s = time.perf_counter()
        try:
            yield
            if wait and self._on_gpu:
                import torch

                torch.cuda.current_stream().synchronize()
        finally:
            self.seconds[name] += time.perf_counter() - started_s

    def timed(self, items: Iterator, first: str, later: str) -> Iterator:
        """The same items; what each took to come is charged to `first` or `later`. Each has waited by itself."""
        name = first
        with contextlib.closing(items):
            while True:
                started_s = time.perf_counter()
                try:
                    item = next(items)
                except StopIteration:
                    return
                finally:
                    self.seconds[name] += time.perf_counter() - started_s
                name = later
                yield item


def _loader(settings: Settings) -> Callable[[], Loaded]:
    """How the model will be loaded, once all is checked that can be checked before."""
    checkpoint = inspect_checkpoint(find_checkpoint(settings.model_path))
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise CommentatorError(f"MiniCPM-o needs a package that is not here ({error}): {_INSTALL}") from None
    if settings.speech:
        assets = find_assets(checkpoint, settings.assets_path)
        read_reference_audio(find_reference_audio(assets, settings.reference_audio_path))
    device = settings.device
    if device != "cpu":
        if not torch.cuda.is_available():
            raise CommentatorError(
                f"MiniCPM-o needs a GPU, and PyTorch {torch.__version__} sees none: commentator=baseline needs none; "
                "device=cpu runs it all the same, far below real time"
            )
        slim = can_slim(torch.cuda.get_device_capability())
        if problem := memory_problem(checkpoint, settings.speech, *torch.cuda.mem_get_info(), slim):
            raise CommentatorError(problem)
        device = "cuda"

    def load_it() -> Loaded:
        from commentator_lib.commentators.minicpmo.loading import load

        return load(
            checkpoint,
            device,
            settings.speech,
            settings.assets_path,
            settings.reference_audio_path,
            settings.vocoder_float16,
        )

    return load_it
