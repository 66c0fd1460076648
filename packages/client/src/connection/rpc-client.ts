import type { TLSSocket } from "node:tls";
import { asPosternError, PosternError } from "@postern/shared/errors";
import { LineSplitter } from "@postern/shared/frames/line-splitter";
import { encodeRequest, errorOfReply, parseReply, type RpcReply } from "@postern/shared/frames/rpc";
import { lineLimits, type Method, methods, type Params, type Result } from "@postern/shared/messages";

/** Milliseconds that a server may take for a reply. */
const REPLY_MS = 30_000;

interface Waiting {
  readonly id: number;
  readonly resolve: (reply: RpcReply) => void;
  readonly reject: (error: PosternError) => void;
}

/** Calls over one connection, one after another: each waits for its reply. */
export class RpcClient {
  readonly #socket: TLSSocket;
  readonly #lines = new LineSplitter(lineLimits.authenticated);
  readonly #ending = new AbortController();
  #waiting: Waiting | undefined;
  #nextId = 1;

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => this.#end(new PosternError("connection_lost")));
    socket.once("close", () => this.#end(new PosternError("connection_lost")));
  }

  /** Fires, with a PosternError as its reason, when the connection ends for whatever cause. */
  get ended(): AbortSignal {
    return this.#ending.signal;
  }

  /**
   * @throws PosternError what the server refused with, in this program's words; `connection_lost`; `server_failed` for
   * a reply that is none
   */
  async call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    const reply = await this.#exchange(method, params);
    if ("error" in reply) throw errorOfReply(reply.error);
    const parsed = methods[method].result.safeParse(reply.result);
    if (!parsed.success) throw this.#end(new PosternError("server_failed"));
    return parsed.data as Result<M>;
  }

  close(): void {
    this.#end(new PosternError("connection_lost"));
  }

  #exchange(method: Method, params: object): Promise<RpcReply> {
    return new Promise((resolve, reject) => {
      if (this.#ending.signal.aborted) return reject(this.#ending.signal.reason);
      if (this.#waiting !== undefined) return reject(new PosternError("bug", { detail: "two calls at once" }));
      const id = this.#nextId++;
      const timer = setTimeout(() => this.#end(new PosternError("connection_lost", { detail: "no reply" })), REPLY_MS);
      this.#waiting = {
        id,
        resolve: (reply) => {
          clearTimeout(timer);
          resolve(reply);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#socket.write(encodeRequest(id, method, params));
    });
  }

  #read(chunk: Buffer): void {
    try {
      for (const line of this.#lines.push(chunk)) this.#receive(parseReply(line));
    } catch (thrown) {
      this.#end(asPosternError(thrown));
    }
  }

  #receive(reply: RpcReply): void {
    // An error without an id is the server's word on why it closes: a deadline, a full house.
    if (reply.id === null) {
      if ("error" in reply) this.#end(errorOfReply(reply.error));
      return;
    }
    const waiting = this.#waiting;
    if (waiting?.id !== reply.id) throw new PosternError("server_failed");
    this.#waiting = undefined;
    waiting.resolve(reply);
  }

  #end(error: PosternError): PosternError {
    if (this.#ending.signal.aborted) return error;
    this.#ending.abort(error);
    this.#socket.destroy();
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    return error;
  }
}
