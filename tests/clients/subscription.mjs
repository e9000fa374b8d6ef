// The firehose as it comes over the WebSocket: every frame's bytes kept, and decoded.
import { Frame } from '@atproto/xrpc-server'
import WebSocket from 'ws'
import { PDS_URL } from './network.mjs'

const PATIENCE_MS = 20_000

export class Subscription {
  /** Frames in order of arrival: `bytes` as received, `type` such as '#commit' (absent for an error), `body`. */
  frames = []
  #waiting
  #socket
  #failure

  /** Resolves when the server has accepted the connection. Without a cursor only new events come. */
  static async open(cursor, service = PDS_URL) {
    const subscription = new Subscription()
    const query = cursor === undefined ? '' : `?cursor=${cursor}`
    const url = `${service.replace(/^http/, 'ws')}/xrpc/com.atproto.sync.subscribeRepos${query}`
    subscription.#socket = new WebSocket(url)
    await new Promise((resolve, reject) => {
      subscription.#socket.once('error', reject).once('open', resolve)
      subscription.#socket.on('message', (bytes, isBinary) => subscription.#receive(bytes, isBinary))
      subscription.closed = new Promise((done) => subscription.#socket.once('close', (code, reason) => done({ code, reason: String(reason) })))
    })
    return subscription
  }

  #receive(bytes, isBinary) {
    try {
      if (!isBinary) throw new Error('text message on the firehose')
      const frame = Frame.fromBytes(bytes)
      this.frames.push({ bytes: Buffer.from(bytes), type: frame.type, isError: frame.isError(), body: frame.body })
    } catch (error) {
      this.#failure = error
    }
    this.#waiting?.()
  }

  /** All frames up to the first that `matches`; rejects when it does not come. */
  async until(matches) {
    const deadline = AbortSignal.timeout(PATIENCE_MS)
    for (let n = 0; ; n += 1) {
      while (n >= this.frames.length && !this.#failure && !deadline.aborted) await this.#nextFrame(deadline)
      if (this.#failure) throw this.#failure
      if (n >= this.frames.length) throw new Error(`the awaited frame did not come; got ${this.#summary()}`)
      if (matches(this.frames[n])) return this.frames.slice(0, n + 1)
    }
  }

  #nextFrame(deadline) {
    return new Promise((resolve) => {
      this.#waiting = resolve
      deadline.addEventListener('abort', resolve, { once: true })
    })
  }

  #summary() {
    return `${this.frames.length} frames, the last ${this.frames.slice(-5).map((frame) => `${frame.body.seq} ${frame.type}`).join(', ')}`
  }

  close() {
    this.#socket.close()
  }
}

/** For `until`: the #commit that made this rev of this repo. */
export function commitOf(did, rev) {
  return ({ type, body }) => type === '#commit' && body.repo === did && body.rev === rev
}

/** The account that an event is about. */
export function didOf({ body }) {
  return body.repo ?? body.did
}
