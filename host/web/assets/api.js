// Requests to the API, and what went wrong with them in one form.
import { t } from './i18n.js';

/** Where the page lies, so that it also works below a path behind a proxy. */
const BASE = new URL('./api/v1/', globalThis.location?.href ?? 'http://localhost/').href;

/** A request that was refused, or that reached nobody (status 0). */
export class ApiError extends Error {
  /** @param {number} status @param {{code?: string, message?: string, hint?: string, faults?: import('./types').Fault[]} & Record<string, any>} body */
  constructor(status, body) {
    super(body.message ?? (status ? `HTTP ${status}` : t('unreachable')));
    this.status = status;
    this.code = body.code ?? (status ? 'http' : '');
    this.hint = body.hint ?? '';
    this.faults = body.faults ?? [];
    this.body = body;
  }
}

/** @type {Set<(error: ApiError) => void>} */
const listeners = new Set();

/**
 * Calls `listener` for each request that failed for want of a login.
 * @param {(error: ApiError) => void} listener
 */
export function onUnauthorized(listener) {
  listeners.add(listener);
}

/** @param {string} path @returns {string} */
export function url(path) {
  return new URL(path, BASE).href;
}

/** @param {number} status @param {any} body @returns {ApiError} */
export function refused(status, body) {
  const error = new ApiError(status, body && typeof body === 'object' ? body : {});
  if (status === 401) listeners.forEach((listener) => listener(error));
  return error;
}

/**
 * @param {string} method @param {string} path @param {unknown} [body] sent as JSON
 * @param {AbortSignal} [signal] @returns {Promise<any>} the answer; null if it is empty
 */
export async function call(method, path, body, signal) {
  /** @type {Record<string, string>} */
  const headers = { accept: 'application/json' };
  if (method !== 'GET') headers['content-type'] = 'application/json';
  let response;
  try {
    response = await fetch(url(path), {
      method,
      headers,
      signal: signal ?? null,
      cache: 'no-store',
      body: method === 'GET' ? null : JSON.stringify(body ?? {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, {});
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = { message: text.slice(0, 300) };
  }
  if (!response.ok) throw refused(response.status, answer);
  return answer;
}

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} */
export const get = (path, signal) => call('GET', path, undefined, signal);
/** @param {string} path @param {unknown} [body] @returns {Promise<any>} */
export const post = (path, body) => call('POST', path, body);
/** @param {string} path @param {unknown} body @returns {Promise<any>} */
export const patch = (path, body) => call('PATCH', path, body);
/** @param {string} path @returns {Promise<any>} */
export const remove = (path) => call('DELETE', path);

/**
 * Sends a file and says how far it is.
 * @param {string} path @param {Blob} file @param {string} type of its content
 * @param {(share: number) => void} progress from 0 to 1 @returns {Promise<any>}
 */
export function upload(path, file, type, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url(path));
    request.setRequestHeader('content-type', type);
    request.setRequestHeader('accept', 'application/json');
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onerror = () => reject(new ApiError(0, {}));
    request.onload = () => {
      let answer = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        answer = { message: request.responseText.slice(0, 300) };
      }
      if (request.status >= 200 && request.status < 300) resolve(answer);
      else reject(refused(request.status, answer));
    };
    request.send(file);
  });
}
