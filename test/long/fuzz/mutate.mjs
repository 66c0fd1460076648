/** Ways to change an input. Each takes the bytes and what a mutation may draw on, and gives other bytes. */

const numbers = ["0", "-1", "1", "00", "-0", "255", "256", "65535", "65536", "2147483648", "4294967296", "1e9"];
const largeNumbers = ["9007199254740991", "9007199254740992", "99999999999999999999", "1e400", "0x7f", "0.5", "NaN"];

/** Controls, line ends, bidi, joiners, combining marks, width and case variants, surrogates' edges, bad UTF-8. */
const characters = [
  ..."\0\t\n\r\u001b\u007f\u0085\u00a0\u00ad\u0130\u0131\u0301\u034f\u0391\u03c2\u05d0\u0627\u0660\u09c7\u1100\u1161\u115f",
  ..."\u180e\u1e9e\u200b\u200d\u200e\u2028\u2029\u202e\u2066\u2126\u212a\u3000\u3042\ua7cb\uac00\ufb01\ufdfa\ufe0f\ufeff",
  ..."\uff21\uff0e\uff1a\uff10\ufffd\uffff\u{1d400}\u{1f600}\u{e0041}\u{10ffff}",
].map((character) => Buffer.from(character));
const brokenUtf8 = ["80", "c0af", "e08080", "eda080", "edb080", "f4908080", "f8888080", "ff", "fffe", "c3"];
const strange = [...characters, ...brokenUtf8.map((hex) => Buffer.from(hex, "hex"))];

const interestingBytes = [
  0, 1, 0x0a, 0x0d, 0x20, 0x22, 0x2d, 0x30, 0x39, 0x5c, 0x7f, 0x80, 0xc1, 0xc7, 0xd9, 0xdd, 0xdf, 0xff,
];

function replaceBytes(input, at, count, piece) {
  return Buffer.concat([input.subarray(0, at), piece, input.subarray(at + count)]);
}

function changed(input, change) {
  const copy = Buffer.from(input);
  if (copy.length > 0) change(copy);
  return copy;
}

/** A run of bytes somewhere in the input: short ones more often. */
function somewhere(input, random) {
  const at = random.below(input.length + 1);
  const longest = Math.min(input.length - at, 1 << random.below(9));
  return { at, count: longest === 0 ? 0 : 1 + random.below(longest) };
}

const mutations = [
  function flipBit(input, { random }) {
    return changed(input, (copy) => {
      copy[random.below(copy.length)] ^= 1 << random.below(8);
    });
  },
  function setByte(input, { random }) {
    return changed(input, (copy) => {
      copy[random.below(copy.length)] = random.below(2) === 0 ? random.below(256) : random.pick(interestingBytes);
    });
  },
  function countByte(input, { random }) {
    return changed(input, (copy) => {
      copy[random.below(copy.length)] += random.below(33) - 16;
    });
  },
  function setInteger(input, { random }) {
    return changed(input, (copy) => {
      const size = Math.min(random.pick([2, 4, 8]), copy.length);
      const value = Buffer.alloc(8, random.pick([0, 0xff]));
      value[random.below(8)] = random.pick([0, 1, 0x7f, 0x80, 0xff]);
      value.copy(copy, random.below(copy.length - size + 1), 0, size);
    });
  },
  function insertByte(input, { random }) {
    return replaceBytes(input, random.below(input.length + 1), 0, Buffer.of(random.below(256)));
  },
  function remove(input, { random }) {
    const { at, count } = somewhere(input, random);
    return replaceBytes(input, at, count, Buffer.alloc(0));
  },
  function repeat(input, { random }) {
    const { at, count } = somewhere(input, random);
    const piece = input.subarray(at, at + count);
    return replaceBytes(input, at, 0, Buffer.concat(Array.from({ length: 1 + random.below(8) }, () => piece)));
  },
  function move(input, { random }) {
    const { at, count } = somewhere(input, random);
    const rest = replaceBytes(input, at, count, Buffer.alloc(0));
    return replaceBytes(rest, random.below(rest.length + 1), 0, input.subarray(at, at + count));
  },
  function cut(input, { random }) {
    return input.subarray(0, random.below(input.length + 1));
  },
  function grow(input, { random }) {
    const piece = Buffer.alloc(1 << random.below(12), random.pick(interestingBytes));
    return replaceBytes(input, random.below(input.length + 1), 0, piece);
  },
  function splice(input, { random, other }) {
    const { at, count } = somewhere(other, random);
    const target = somewhere(input, random);
    return replaceBytes(input, target.at, random.below(2) * target.count, other.subarray(at, at + count));
  },
  function cross(input, { random, other }) {
    return Buffer.concat([
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ]);
  },
  function useToken(input, { random, dictionary }) {
    if (dictionary.length === 0) return input;
    const { at, count } = somewhere(input, random);
    return replaceBytes(input, at, random.below(2) * count, random.pick(dictionary));
  },
  function useNumber(input, { random }) {
    const number = Buffer.from(random.pick(random.below(2) === 0 ? numbers : largeNumbers));
    const runs = [...input.toString("latin1").matchAll(/[0-9]+/g)];
    const run = runs.length > 0 && random.below(4) > 0 ? random.pick(runs) : undefined;
    if (run === undefined) return replaceBytes(input, random.below(input.length + 1), 0, number);
    return replaceBytes(input, run.index, run[0].length, number);
  },
  function useCharacter(input, { random }) {
    const { at, count } = somewhere(input, random);
    return replaceBytes(input, at, random.below(2) * Math.min(count, 1), random.pick(strange));
  },
  function changeCase(input, { random }) {
    return changed(input, (copy) => {
      const at = random.below(copy.length);
      if (/[a-z]/i.test(String.fromCharCode(copy[at]))) copy[at] ^= 0x20;
    });
  },
];

/**
 * The input after one to eight random changes, cut to `maxLength`. `other` is another input to take pieces of.
 * What goes in stays as it is.
 */
export function mutate(input, { random, dictionary, other, maxLength }) {
  let bytes = input;
  for (let times = 1 << random.below(4); times > 0; times--) {
    bytes = random.pick(mutations)(bytes, { random, dictionary, other }).subarray(0, maxLength);
  }
  return Buffer.from(bytes);
}
