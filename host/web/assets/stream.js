// Follows the live stream: resumes where it was, waits longer after each failure, says what is wrong.
import { EventParser } from './live.js';

/** Longest pause between two attempts, in milliseconds. */
const MAX_PAUSE = 8_000;
/** The server says something at least every 15 s; after this much silence the connection is given up. */
const SILENCE = 40_000;

/**
 * @typedef {{state: 'connecting' | 'live' | 'retrying' | 'login', reason?: string, hint?: string, attempt?: number, retryAt?: number}} Connection
 */

export class Stream {
  /**
   * @param {{url: () => string, lastId: () => string, onEvent: (e: {event: string, id: string, data: string}) => void,
   *   onState: (c: Connection) => void, onGone: () => void}} options onGone: what is asked for is not there any more
   */
  constructor(options) {
    this.options = options;
    this.attempt = 0;
    /** @type {AbortController | null} */
    this.abort = null;
    this.stopped = true;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  start() {
    this.stop();
    this.stopped = false;
    this.attempt = 0;
    void this.connect();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
  }

  /** Tries at once instead of after the pause. */
  retryNow() {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.abort?.abort();
    void this.connect();
  }

  async connect() {
    const abort = new AbortController();
    this.abort = abort;
    if (this.attempt === 0) this.options.onState({ state: 'connecting' });
    /** @type {{reason?: string, hint?: string}} */
    let why = {};
    // A server ends streams now and then; that is nothing to speak of unless the next attempt fails.
    let ended = false;
    try {
      const lastId = this.options.lastId();
      const response = await fetch(this.options.url(), {
        headers: { accept: 'text/event-stream', ...(lastId ? { 'last-event-id': lastId } : {}) },
        signal: abort.signal,
        cache: 'no-store',
      });
      if (response.status === 401) {
        this.stopped = true;
        return this.options.onState({ state: 'login' });
      }
      if (response.status === 404) return this.options.onGone();
      if (!response.ok || !response.body) why = await reasonOf(response);
      else {
        this.attempt = -1;
        this.options.onState({ state: 'live' });
        ended = (await this.read(response.body, abort)) && !abort.signal.aborted;
      }
    } catch {
      // The reason of a network error is not told to pages; that it failed is all there is to say.
    }
    if (this.abort !== abort || this.stopped) return;
    if (ended) void this.connect();
    else this.later(why);
  }

  /** Whether anything came before the end. @param {ReadableStream<Uint8Array>} body @param {AbortController} abort @returns {Promise<boolean>} */
  async read(body, abort) {
    const parser = new EventParser((event) => this.options.onEvent(event));
    let heard = false;
    const decoder = new TextDecoder();
    const reader = body.getReader();
    let silence = setTimeout(() => abort.abort(), SILENCE);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || abort.signal.aborted) return heard;
        heard = true;
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort(), SILENCE);
        parser.push(decoder.decode(value, { stream: true }));
      }
    } finally {
      clearTimeout(silence);
    }
  }

  /** @param {{reason?: string, hint?: string}} why */
  later(why) {
    if (this.stopped) return;
    this.attempt = Math.max(0, this.attempt) + 1;
    const pause = Math.min(MAX_PAUSE, 250 * 2 ** this.attempt) * (0.75 + Math.random() / 2);
    this.options.onState({ state: 'retrying', ...why, attempt: this.attempt, retryAt: Date.now() + pause });
    this.timer = setTimeout(() => void this.connect(), pause);
  }
}

/** @param {Response} response @returns {Promise<{reason?: string, hint?: string}>} */
async function reasonOf(response) {
  try {
    const body = await response.json();
    return { reason: String(body.message ?? response.status), hint: body.hint };
  } catch {
    return { reason: `HTTP ${response.status}` };
  }
}
