"""The text of tokens as they come: characters in several tokens, tokenizers that look back, fast and slow ones."""

from __future__ import annotations

import pytest

from commentator_lib.commentators.text_stream import TextStream

tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")


class Bytes:
    """A tokenizer whose tokens are bytes; 256 is special."""

    def decode(self, ids, skip_special_tokens, clean_up_tokenization_spaces):
        assert skip_special_tokens and not clean_up_tokenization_spaces
        return bytes(i for i in ids if i < 256).decode(errors="replace")


def test_characters_are_held_back_until_they_are_whole():
    text = "日 é😀 ok"
    stream = TextStream(Bytes())
    given = [stream.push(byte) for byte in text.encode()]
    assert "".join(given) == text and stream.rest() == ""
    assert [piece for piece in given if piece] == list(text)


def test_a_character_that_never_becomes_whole_comes_at_the_end():
    stream = TextStream(Bytes())
    given = [stream.push(byte) for byte in "ok 日".encode()[:-1]]
    assert "".join(given) == "ok " and stream.rest() == "\ufffd" and stream.rest() == ""


def test_bytes_that_are_no_text_come_with_what_follows_them():
    stream = TextStream(Bytes())
    assert [stream.push(byte) for byte in b"a\xffb"] == ["a", "", "\ufffdb"]


def test_special_and_end_tokens_are_not_shown():
    stream = TextStream(Bytes(), end_tokens=[ord("!")])
    assert [stream.push(token) for token in (ord("a"), 256, ord("b"), ord("!"))] == ["a", "", "b", ""]
    assert stream.rest() == ""


def test_several_tokens_at_a_time_and_none():
    stream = TextStream(Bytes())
    assert stream.push() == "" and stream.push(*"é!".encode()[:1]) == ""
    assert stream.push(*"é!".encode()[1:]) == "é!" and stream.push() == "" and stream.rest() == ""


# Tokenizers with which a token's text depends on those before it


def fast(model, decoder, **special):
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.decoder = decoder
    tokenizer.add_special_tokens(["<s>"])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", **special)


def ids_of(tokenizer, tokens):
    ids = tokenizer.convert_tokens_to_ids(tokens)
    assert len(ids) == len(tokens) and None not in ids
    return ids


WORD_PIECES = {"[UNK]": 0, "the": 1, "goal": 2, "##keeper": 3, "##s": 4, ".": 5, "do": 6, "n't": 7}


def word_piece():
    """Return a fast tokenizer like BERT's: "##" joins a token to the one before it."""
    model = tokenizers.models.WordPiece(WORD_PIECES, unk_token="[UNK]")
    return fast(model, tokenizers.decoders.WordPiece(cleanup=False))


def slow_word_piece(folder):
    """Return the same tokenizer, written in Python."""
    path = folder / "vocab.txt"
    special = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]
    path.write_text("\n".join([*WORD_PIECES, *special]), encoding="utf-8")
    return transformers.BertTokenizer(str(path))


def metaspace():
    """Return a tokenizer like Llama's: the first space is dropped, and unknown characters are bytes."""
    words = ["<unk>", "▁the", "▁goal", "▁", "s", *(f"<0x{byte:02X}>" for byte in range(256))]
    model = tokenizers.models.BPE(
        {word: k for k, word in enumerate(words)}, [], byte_fallback=True, unk_token="<unk>"
    )
    decoders = tokenizers.decoders
    return fast(
        model,
        decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        ),
    )


def byte_level():
    """Return a tokenizer like Qwen's and SmolVLM's: each token is some bytes."""
    words = [*sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()), "the", "Ġgoal"]
    model = tokenizers.models.BPE({word: k for k, word in enumerate(words)}, [])
    return fast(model, tokenizers.decoders.ByteLevel())


def ctc():
    """Return a tokenizer like speech models': a token that comes twice is written once, unless a blank is between."""
    words = ["<pad>", "|", "g", "o", "a", "l"]
    model = tokenizers.models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="<pad>")
    return fast(model, tokenizers.decoders.CTC())


def streamed(tokenizer, ids):
    """Return the pieces of text, one for each token, and the text that is given at the end."""
    stream = TextStream(tokenizer)
    return [stream.push(token) for token in ids], stream.rest()


def check_pieces(tokenizer, tokens, pieces, rest=""):
    ids = ids_of(tokenizer, tokens)
    assert streamed(tokenizer, ids) == (pieces, rest)
    whole = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert "".join(pieces) + rest == whole


WORD_PIECE_TEXT = (
    ["the", "goal", "##keeper", "##s", "do", "n't", "."],
    ["the", " goal", "keeper", "s", " do", " n't", " ."],
)


def test_word_pieces_join_the_word_before_them():
    check_pieces(word_piece(), *WORD_PIECE_TEXT)


def test_a_slow_tokenizer_is_as_good(tmp_path):
    tokenizer = slow_word_piece(tmp_path)
    assert not tokenizer.is_fast
    check_pieces(tokenizer, *WORD_PIECE_TEXT)


def test_a_tokenizer_that_cleans_up_by_itself_takes_back_nothing(tmp_path):
    """Cleaning up would turn "do n't" into "don't" after "do " was already shown."""
    tokenizer = slow_word_piece(tmp_path)
    tokenizer.clean_up_tokenization_spaces = True
    assert tokenizer.decode(ids_of(tokenizer, WORD_PIECE_TEXT[0])) == "the goalkeepers don't."
    check_pieces(tokenizer, *WORD_PIECE_TEXT)


def test_a_space_belongs_to_all_words_but_the_first():
    check_pieces(metaspace(), ["▁goal", "s", "▁goal", "▁the"], ["goal", "s", " goal", " the"])
    check_pieces(metaspace(), ["<s>", "▁the", "▁goal"], ["", "the", " goal"])


def test_bytes_become_a_character_with_the_last_of_them():
    check_pieces(metaspace(), ["▁the", "▁", "<0xC3>", "<0xA9>", "s"], ["the", " ", "", "é", "s"])
    check_pieces(metaspace(), ["▁the", "<0xE6>", "<0x97>"], ["the", "", ""], rest="\ufffd\ufffd")
    check_pieces(
        byte_level(), ["the", "Ġgoal", "Ã", "©", "Ġ", "ð"], ["the", " goal", "", "é", " ", ""], "\ufffd"
    )


def test_a_token_that_is_written_once_when_it_comes_twice():
    tokens = ["g", "g", "o", "a", "<pad>", "a", "l", "l", "|", "g"]
    check_pieces(ctc(), tokens, ["g", "", "o", "a", "", "a", "l", "", " ", "g"])
