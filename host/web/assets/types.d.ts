// Shapes that the page works with. Types only: nothing of this file reaches a browser.
import type { VNode } from './vendor/preact.js';

export type View = VNode<any> | null;
export interface Signal<T> { value: T; peek(): T; subscribe(run: (value: T) => void): () => void }
export interface ReadonlySignal<T> { readonly value: T; peek(): T }

export interface Fault { key?: string | null; code?: string; message: string; hint?: string | null }

export interface Times {
  count: number; min: number; mean: number; p50: number; p66: number; p75: number; p80: number; p90: number;
  p95: number; p98: number; p99: number; p99_9: number; p99_99: number; max: number;
}
export interface Row {
  method: string; name: string; requests: number; failures: number; rps: number; fps: number;
  current_rps: number; current_fps: number; response_time_ms: Times | null; service_time_ms: Times | null;
  current_response_time_ms: Times | null; current_service_time_ms: Times | null;
  mean_body_bytes: number; bytes_sent: number; bytes_received: number; statuses: Record<string, number>;
}
export interface WindowView {
  seconds: number; rps: number; fps: number; iterations_per_second: number; dropped_per_second: number;
  response_time_ms: Times | null; service_time_ms: Times | null;
}
export interface Task { user_type: string; task: string; iterations: number; failures: number; rate: number; share: number; share_wanted: number | null; duration_ms: Times | null }
export interface Check { name: string; group: string; passes: number; failures: number }
export interface Group { path: string; duration_ms: Times | null }
export interface Metric { name: string; unit: string; tags: any; kind: string; value: any }
export interface RunError { origin: any; code: string; message: string; count: number; first_seconds: number; last_seconds: number; detail: string }
export interface Threshold { text: string; state: 'ok' | 'broken' | 'no-data'; value: number | null; broken_since_seconds: number | null; abort_after_seconds: number | null }
/** A time in which a threshold was broken. */
export interface Breach { threshold: string; at_seconds: number; until_seconds?: number | null }
export interface Note { at_seconds: number | null; kind: 'info' | 'warning'; message: string }
export interface Loss { worker: string; at_seconds: number; share: number; moved: boolean; served_seconds: number | null; returned_seconds: number | null; unmeasured_seconds: number }
export interface Generator { cpu: number; cpu_peak: number; loop_lag_p99_ms: number | null; start_lag_p99_ms: number | null; saturated: string | null; saturated_seconds: number; first_reason: string | null }

export interface Run {
  run: string; scenario: string; scenario_version: string | null; module: string; target: string | null;
  params: Record<string, string>; seed: number | string; state: RunState; phase: string; started_at: string | number | null;
  elapsed_seconds: number; length_seconds: number | null; remaining_seconds: number | null; workers: number; workers_lost: number;
  losses: Loss[]; unserved: number; users: number; users_by_type: Record<string, number>; users_wanted: number | null; rate_wanted: number | null;
  counted_from_seconds: number; counted_seconds: number; load_seconds: number; total: Row; window: WindowView;
  rows: Record<string, Row>; rows_omitted: number; tasks: Record<string, Task>; checks: Record<string, Check>; groups: Record<string, Group>;
  metrics: Record<string, Metric>; errors: Record<string, RunError>; errors_omitted: number; thresholds: Record<string, Threshold> | Threshold[]; breaches?: Breach[];
  counters: { arrivals: number; dropped_arrivals: number; interrupted: number; crashed_users: number; capped: Record<string, number> };
  collection: { merged: number; duplicates: number; missing: number }; generator: Generator; shared: any; notes: Note[] | Record<string, Note>;
  ended: ({ reason: string } & Record<string, any>) | null; profile?: any; note?: string; tags?: string[]; versions?: { next?: (Version & { ready: number; of: number }) | null; refused?: { module: string; message: string } | null; behind?: number }; pinned?: boolean; started_by?: string | null; passed?: boolean | null;
}
export interface Version { module: string; version?: string | null }
export type RunState = 'waiting' | 'preparing' | 'setting-up' | 'starting' | 'running' | 'stopping' | 'tearing-down' | 'finished';
export interface RunShort {
  run: string; scenario: string; scenario_version?: string | null; state: RunState; started_at: string | number | null; elapsed_seconds: number;
  users?: number; requests?: number; rps: number | null; failure_ratio: number | null; p95_ms: number | null; passed: boolean | null;
  ended: { reason: string } | null; note?: string; tags?: string[]; module?: string; target?: string | null;
}
export interface Worker {
  worker: string; release: string; tags: Record<string, string>; capacity: number; shards: number; users: number; cpu: number; memory_bytes: number;
  liveness: 'alive' | 'suspect' | 'lost'; silent_seconds: number; state: any; run: string | null; draining: boolean; name_clash: boolean; trouble?: string | null;
  module?: string | null; lag_ms?: number | null;
}
export interface Master { id: string; url?: string | null; leads?: boolean; draining?: boolean }
export interface Fleet { at: string | number; master: string; leader: string | null; term: number; trouble: string | null; masters: Master[]; workers: Record<string, Worker> }
export interface Doc { fleet: Fleet; runs: Record<string, RunShort>; run: Run | null }
export interface Session {
  user: string | null; role: 'view' | 'operate' | 'admin' | null; login_required?: boolean; version?: string; cluster?: string; single_run?: boolean;
}
export interface Points { columns: Record<string, (number | null)[]>; length: number }
/** What a view of a run reads, be it live or kept. */
export interface Source { run: ReadonlySignal<Run | null>; points: Points; version: ReadonlySignal<number>; logs: ReadonlySignal<any[]>; live: boolean }

export interface Parameter { name: string; kind: string; default: string | null; help: string; secret: boolean }
export interface UserType { name: string; weight: number; fixed_count: number | null; tasks: { name: string; weight: number; tags: string[] }[] }
export interface Scenario {
  digest: string; name: string; version: string | null; sdk: any; size_bytes: number; uploaded_at?: string | number | null; contract?: string;
  user_types: UserType[]; thresholds: any[]; data_sets: string[]; hosts: string[]; parameters: Parameter[]; settings: any; has_load_shape: boolean; faults: Fault[];
}
export interface DataSet { digest: string; name: string; size_bytes: number; rows: number; columns: string[]; preview?: any[][]; uploaded_at?: any; format?: string }
export interface Setting { key: string; flag: string; group: string; kind: string; help: string; default: string | null; secret: boolean; value?: string }
export interface Planned { command: string | null; iterations?: number | null; curve: { unit: string; points: [number, number][]; open_ended: boolean } | null; user_types?: any; thresholds?: any; length_seconds?: number | null; effective?: any; faults?: Fault[] }
