import { Module } from "node:module";

/**
 * Loaded in front of a program with --import: says on `process.argon2` how many milliseconds libsodium stretched a
 * password for, by the clock and of CPU. It loads nothing that the program does not.
 */
process.argon2 = { wall: 0, cpu: 0 };

const load = Module._load;
Module._load = function (name, ...rest) {
  const loaded = load.call(this, name, ...rest);
  if (name === "sodium-native") watch(loaded);
  return loaded;
};

const watched = new WeakSet();

function watch(sodium) {
  if (watched.has(sodium)) return;
  watched.add(sodium);
  const stretch = sodium.crypto_pwhash_async;
  sodium.crypto_pwhash_async = async (...given) => {
    const began = performance.now();
    const before = process.cpuUsage();
    try {
      return await stretch(...given);
    } finally {
      const { user, system } = process.cpuUsage(before);
      process.argon2.wall += performance.now() - began;
      process.argon2.cpu += (user + system) / 1000;
    }
  };
}
