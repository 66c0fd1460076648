/**
 * The text of an input: UTF-8, or after FF FE the UTF-16 that follows, in which surrogates may stand alone as they may in
 * a string of JavaScript.
 */
export function textOf(input) {
  if (input[0] === 0xff && input[1] === 0xfe) return input.toString("utf16le", 2);
  return input.toString("utf8");
}
