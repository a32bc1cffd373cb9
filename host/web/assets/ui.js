// The view library in one place: the only module that names what is vendored for drawing.
import { h, render, Fragment } from './vendor/preact.js';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/preact-hooks.js';
import htm from './vendor/htm.js';
import { batch, computed, effect, signal, useComputed, useSignal } from './vendor/signals.js';

/**
 * A template, bound to Preact. Text and attributes are data: they are never read as markup.
 * @type {(strings: TemplateStringsArray, ...values: unknown[]) => import('./types').View}
 */
export const html = /** @type {any} */ (htm.bind(h));

export { Fragment, batch, computed, effect, render, signal, useComputed, useEffect, useLayoutEffect, useMemo, useRef, useSignal, useState };
