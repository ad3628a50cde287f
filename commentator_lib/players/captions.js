// The caption on the picture: its words one after another, in any script, two lines at a time.

const CAPTION_LINES = 2;
const READ_PER_S = 18; // letters, where no sound says how far a caption has been read
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const LANGUAGES = [
  ["ja", /[\p{Script=Hiragana}\p{Script=Katakana}]/gu],
  ["ko", /\p{Script=Hangul}/gu],
  ["zh", /\p{Script=Han}/gu],
  ["th", /\p{Script=Thai}/gu],
  ["he", /\p{Script=Hebrew}/gu],
  ["hi", /\p{Script=Devanagari}/gu],
  ["ta", /\p{Script=Tamil}/gu],
  ["bn", /\p{Script=Bengali}/gu],
  ["el", /\p{Script=Greek}/gu],
];
const segmenter = typeof Intl.Segmenter === "function" ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;

// The words of a text, each with the spaces and marks around it: joined, they are the text. Chinese, Japanese and Thai
// have no spaces between theirs.
function wordsOf(text) {
  const spaced = text.match(/\s*\S+\s*/g) ?? [];
  return spaced.flatMap((word) => (segmenter && UNSPACED.test(word) ? segmented(word) : [word]));
}

function segmented(text) {
  const words = [];
  for (const { segment, isWordLike } of segmenter.segment(text)) {
    // A mark stays with the word before it; an opening one goes with the word behind it.
    const joins = words.length && (!isWordLike || /^[\s\p{Ps}\p{Pi}]+$/u.test(words.at(-1)));
    if (joins && !/^[\p{Ps}\p{Pi}]/u.test(segment)) words[words.length - 1] += segment;
    else words.push(segment);
  }
  return words;
}

// The language that most letters of a text tell of, "" where they are those of many languages.
function languageOf(text) {
  const count = (script) => (text.match(script) ?? []).length;
  const letters = count(/[\p{Letter}\p{Mark}]/gu);
  for (const [language, script] of LANGUAGES) {
    const own = count(script);
    const beside = own && (language === "ja" || language === "ko") ? count(/\p{Script=Han}/gu) : 0;
    if (own && 2 * (own + beside) >= letters) return language;
  }
  return "";
}

// Let the box show the two lines among which a word stands, or the last two. They turn together, so that a line does not
// move while it is read.
function showLineOf(box, word) {
  if (!word) return;
  const height = parseFloat(getComputedStyle(box).lineHeight);
  const line = Math.round((word.offsetTop + word.offsetHeight / 2) / height - 0.5);
  const last = Math.max(0, Math.floor(box.scrollHeight / height + 0.01) - CAPTION_LINES);
  const top = Math.min(last, Math.floor(line / CAPTION_LINES) * CAPTION_LINES) * height;
  if (Math.abs(box.scrollTop - top) > 1) box.scrollTop = top;
}
