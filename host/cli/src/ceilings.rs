//! What a process may take of its machine, as `--memory-limit` and `--cpu-limit` say. A worker sheds load above it
//! (`engine::load::governor`); a master takes no new runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loadhost_control::ports::Room;
use loadhost_engine::capacity::resident_bytes;
use loadhost_engine::load::governor::Ceilings;
use tokio::time::{Instant, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::config::{Effective, refuse};
use crate::failure::Failure;
use crate::plan::limits::parse_size;

const MIB: u64 = 1024 * 1024;
const EVERY: Duration = Duration::from_secs(1);
/// Samples: CPU is that of the last ten seconds, so that one busy moment refuses nothing.
const WINDOW: usize = 10;

/// What `whose`, such as `master`, may take.
pub(crate) fn of(settings: &Effective, whose: &str) -> Result<Ceilings, Failure> {
    let memory = memory(settings, &format!("{whose}.memory-limit"))?;
    Ok(Ceilings { memory, cpu: cpu(settings, &format!("{whose}.cpu-limit"))? })
}

/// Bytes.
fn memory(settings: &Effective, key: &str) -> Result<Option<u64>, Failure> {
    let Some(item) = settings.item(key) else { return Ok(None) };
    let size = parse_size(&item.text).filter(|size| *size > 0);
    size.map(Some).ok_or_else(|| refuse(key, item, "it is a size, such as `512MiB` or `2GiB`"))
}

/// 0 to 1 of the cores that the process has.
fn cpu(settings: &Effective, key: &str) -> Result<Option<f64>, Failure> {
    let Some(item) = settings.item(key) else { return Ok(None) };
    let percent = item.text.trim_end_matches('%').trim().parse::<f64>().ok();
    let percent = percent.filter(|percent| *percent > 0.0 && *percent <= 100.0);
    let share = percent.map(|percent| Some(percent / 100.0));
    share.ok_or_else(|| refuse(key, item, "it is a share of its cores, such as `80%`"))
}

/// What the coordinator asks before it takes a run. The meter measures until it is dropped.
pub(crate) fn watched(ceilings: Ceilings) -> (Room, Option<AbortOnDropHandle<()>>) {
    let busy = Arc::new(AtomicU64::new(0));
    let meter = ceilings.cpu.map(|_| AbortOnDropHandle::new(tokio::spawn(measure(busy.clone()))));
    let room = move || {
        let busy = f64::from_bits(busy.load(Ordering::Relaxed));
        broken(ceilings, resident_bytes(), busy).map_or(Ok(()), Err)
    };
    (Arc::new(room), meter)
}

/// Why there is no room for one more run; None: there is.
fn broken(ceilings: Ceilings, resident: u64, busy: f64) -> Option<String> {
    if let Some(most) = ceilings.memory.filter(|most| resident > *most) {
        let (has, most) = (resident.div_ceil(MIB), most / MIB);
        return Some(format!("it has {has} MiB of memory and may have {most} (--memory-limit)"));
    }
    let most = ceilings.cpu.filter(|most| busy > *most)?;
    let (busy, most) = (busy * 100.0, most * 100.0);
    Some(format!("it takes {busy:.0} % of its cores and may take {most:.0} (--cpu-limit)"))
}

/// Keeps in `busy` the bits of the share of all cores that this process took lately.
async fn measure(busy: Arc<AtomicU64>) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let mut samples = VecDeque::with_capacity(WINDOW + 1);
    let mut ticks = interval(EVERY);
    loop {
        let now = ticks.tick().await;
        samples.push_back((now, cpu_time()));
        if samples.len() > WINDOW {
            samples.pop_front();
        }
        let share = share_of(&samples) / cores;
        busy.store(share.to_bits(), Ordering::Relaxed);
    }
}

/// Cores' worth of time between the first and the last sample.
fn share_of(samples: &VecDeque<(Instant, Duration)>) -> f64 {
    let (Some((from, spent)), Some((to, spent_then))) = (samples.front(), samples.back()) else {
        return 0.0;
    };
    let elapsed = to.duration_since(*from).as_secs_f64();
    if elapsed == 0.0 { 0.0 } else { spent_then.saturating_sub(*spent).as_secs_f64() / elapsed }
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_without_limits_has_room() {
        assert_eq!(broken(Ceilings::default(), u64::MAX, 1.0), None);
    }

    #[test]
    fn what_is_broken_is_told_with_the_figures() {
        let limits = Ceilings { memory: Some(512 * MIB), cpu: Some(0.8) };
        assert_eq!(broken(limits, 512 * MIB, 0.8), None);
        let memory = broken(limits, 512 * MIB + 1, 0.0);
        assert_eq!(
            memory.as_deref(),
            Some("it has 513 MiB of memory and may have 512 (--memory-limit)")
        );
        let cpu = broken(limits, 0, 0.93);
        assert_eq!(
            cpu.as_deref(),
            Some("it takes 93 % of its cores and may take 80 (--cpu-limit)")
        );
    }

    #[test]
    fn a_share_is_that_of_the_whole_window() {
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        let start = at(0);
        let samples =
            (0..5).map(|n| (start + Duration::from_secs(n), Duration::from_millis(500 * n)));
        assert_eq!(share_of(&samples.collect()), 0.5);
        assert_eq!(share_of(&VecDeque::new()), 0.0);
    }
}
