// Completions as pieces: what is thinking, what is the answer.

const GLYPHS = { correct: "✓", wrong: "✗", no_answer: "∅", timeout: "t", error: "!" };
const TAGS = /(<\/?(?:think|answer)>|<\|[^|<>]{1,40}\|>|<\/?s>|<(?:eos|bos|pad)>)/;

// Split a completion into thinking, answer, tags and the rest: [kind, text] pairs that join to the text.
function segments(text) {
  const pieces = text.split(TAGS);
  // A prompt may have opened the thinking itself: then the first tag is the closing one.
  let kind = pieces.find((piece) => piece === "<think>" || piece === "</think>") === "</think>" ? "think" : "plain";
  return pieces.filter(Boolean).flatMap((piece) => {
    if (!TAGS.test(piece)) return kind === "plain" ? boxed(piece) : [[kind, piece]];
    if (piece === "<think>") kind = "think";
    else if (piece === "<answer>") kind = "answer";
    else if (piece === "</think>" || piece === "</answer>") kind = "plain";
    return [["tag", piece]];
  });
}

function boxed(text) {
  const start = text.indexOf("\\boxed{");
  if (start < 0) return [["plain", text]];
  let depth = 0;
  let end = start + 6;
  do {
    depth += text[end] === "{" ? 1 : text[end] === "}" ? -1 : 0;
    end += 1;
  } while (depth > 0 && end < text.length);
  const rest = text.slice(end);
  return [["plain", text.slice(0, start)], ["answer", text.slice(start, end)], ...(rest ? boxed(rest) : [])];
}
