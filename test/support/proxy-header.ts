/** Headers of the PROXY protocol as balancers write them: by its text, apart from the code that reads them. */

/** `PROXY TCP4 …` */
export const lineHeader = (source: string, family = source.includes(":") ? "TCP6" : "TCP4"): Buffer =>
  Buffer.from(`PROXY ${family} ${source} ${family === "TCP6" ? "::1" : "127.0.0.1"} 50000 7465\r\n`);

const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

/** Version 2 with whatever command, family and content. */
export function binaryHeader(command: number, family: number, content: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(content.length);
  return Buffer.concat([signature, Buffer.from([command, family]), length, content]);
}

/** Version 2, PROXY, of an IPv4 client. */
export function binaryHeaderOf(source: string, extra = Buffer.alloc(0)): Buffer {
  const ends = Buffer.from([...source.split(".").map(Number), 127, 0, 0, 1, 0xc3, 0x50, 0x1d, 0x29]);
  return binaryHeader(0x21, 0x11, Buffer.concat([ends, extra]));
}

/** Version 2, PROXY, of an IPv6 client: its sixteen bytes. */
export function binaryHeaderOf6(source: Buffer, extra = Buffer.alloc(0)): Buffer {
  const destination = Buffer.from("00000000000000000000000000000001c3501d29", "hex");
  return binaryHeader(0x21, 0x21, Buffer.concat([source, destination, extra]));
}
