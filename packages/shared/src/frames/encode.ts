const LINE_END = "\n";

/**
 * One message as one line of UTF-8. JSON escapes every control character in a string, so that the only `\n` is the
 * one that ends the line. Numbers must be safe integers: the other side refuses anything else.
 */
export function encodeLine(value: object): Buffer {
  return Buffer.from(JSON.stringify(value) + LINE_END, "utf8");
}
