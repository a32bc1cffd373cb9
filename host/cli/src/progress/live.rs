//! The live view: a few lines at the bottom of the terminal, redrawn with each view.
//!
//! It is an inline viewport without raw mode or alternate screen, so Ctrl-C stays a signal. Keys
//! are those of [`super::keys`].

use std::io::{self, Stderr};
use std::time::Duration;

use loadhost_control::view::{RunState, RunView, ThresholdState};
use loadhost_web::export::{error_text, threshold_value};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Gauge, Paragraph, Sparkline, Widget};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use super::keys::{HELP, Key, Keyboard, Mode};
use super::{News, Source};
use crate::output::format::{clock, grouped, millis, millis_or_dash, percent, rate};

/// Lines of the view, with one that explains the keys if there are any.
pub(super) fn height(keys: bool) -> u16 {
    13 + u16::from(keys)
}

type Screen = Terminal<CrosstermBackend<Stderr>>;

/// What is drawn.
pub(super) struct Picture<'a> {
    pub(super) view: &'a RunView,
    /// How long the broker has been out of reach.
    pub(super) away: Option<Duration>,
    /// Whether keys do something.
    pub(super) keys: bool,
}

/// Something to do.
enum Event {
    News(News),
    Keys(Vec<Key>),
}

/// Draws until the run is over; takes the view away at the end.
pub(super) async fn follow(source: &mut Source) -> io::Result<()> {
    let mode = source.keys.as_ref().and_then(|_| Mode::open());
    let keys = mode.is_some();
    let mut screen = open(keys)?;
    let mut keyboard = mode.map(Keyboard::listen).transpose()?;
    let colours = Colours::choose();
    let mut event = Event::News(News::View);
    loop {
        let mut over = false;
        match event {
            Event::News(News::Over) => over = true,
            Event::News(News::Log(text)) => {
                screen.insert_before(1, |buffer| Line::from(text).render(buffer.area, buffer))?;
            }
            // Back from the shell, which has written to the screen.
            Event::Keys(pressed) if pressed.is_empty() => screen = open(keys)?,
            Event::Keys(pressed) => pressed.into_iter().for_each(|key| source.press(key)),
            Event::News(News::View) => {
                if let Some(view) = source.view() {
                    let picture = Picture { view: &view, away: source.away(), keys };
                    screen.draw(|frame| draw(frame, &picture, colours))?;
                    over = view.state == RunState::Finished;
                }
            }
        }
        if over {
            screen.clear()?;
            return screen.show_cursor();
        }
        event = tokio::select! {
            news = source.next() => Event::News(news),
            pressed = pressed(&mut keyboard) => Event::Keys(pressed),
        };
    }
}

fn open(keys: bool) -> io::Result<Screen> {
    let options = TerminalOptions { viewport: Viewport::Inline(height(keys)) };
    Terminal::with_options(CrosstermBackend::new(io::stderr()), options)
}

async fn pressed(keyboard: &mut Option<Keyboard>) -> Vec<Key> {
    match keyboard {
        Some(keyboard) => keyboard.next().await,
        None => std::future::pending().await,
    }
}

/// Whether colours are wanted: <https://no-color.org>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    Yes,
    No,
}

impl Colours {
    fn choose() -> Self {
        match std::env::var_os("NO_COLOR") {
            Some(value) if !value.is_empty() => Self::No,
            _ => Self::Yes,
        }
    }

    fn style(self, colour: Color) -> Style {
        if self == Self::Yes { Style::new().fg(colour) } else { Style::new() }
    }
}

/// The whole view.
pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>, colours: Colours) {
    let view = picture.view;
    let [state, progress, chart, head, window, service, total, errors, thresholds, health, keys] =
        Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(2),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(3),
            Constraint::Length(1),
            Constraint::Length(u16::from(picture.keys)),
        ])
        .areas(frame.area());
    frame.render_widget(Paragraph::new(state_line(view)), state);
    draw_progress(frame, view, progress, colours);
    draw_chart(frame, view, chart, colours);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let titles = times_row("ms", ["p50", "p95", "p99", "max"].map(str::to_string));
    frame.render_widget(Paragraph::new(Line::styled(titles, bold)), head);
    for (area, name, times) in [
        (window, "response, last 10 s", &view.window.response_time),
        (service, "service, last 10 s", &view.window.service_time),
        (total, "response, in all", &view.total.response_time),
    ] {
        let cells = times.as_ref().map(|times| [times.p50, times.p95, times.p99, times.max]);
        let cells = [0, 1, 2, 3].map(|i| millis_or_dash(cells.map(|cells| cells[i])));
        frame.render_widget(Paragraph::new(times_row(name, cells)), area);
    }
    frame.render_widget(Paragraph::new(errors_line(view, colours)), errors);
    frame.render_widget(
        Paragraph::new(threshold_lines(view, colours, thresholds.height)),
        thresholds,
    );
    frame.render_widget(Paragraph::new(health_line(picture, colours)), health);
    let help = Line::styled(HELP, Style::new().add_modifier(Modifier::DIM));
    frame.render_widget(Paragraph::new(help), keys);
}

fn times_row(name: &str, cells: [String; 4]) -> String {
    let [p50, p95, p99, max] = cells;
    format!("{name:<22}{p50:>9}{p95:>9}{p99:>9}{max:>9}")
}

fn state_line(view: &RunView) -> Line<'static> {
    let state = match view.state {
        RunState::Waiting => "waiting for workers",
        RunState::Preparing => "preparing",
        RunState::SettingUp => "setting up",
        RunState::Starting => "starting",
        RunState::Running => "running",
        RunState::Stopping => "stopping: iterations end",
        RunState::TearingDown => "tearing down",
        RunState::Finished => "finished",
    };
    let users = match view.users_wanted {
        Some(wanted) => {
            format!("{} of {} users", grouped(view.users.into()), grouped(wanted.into()))
        }
        None => format!("{} users", grouped(view.users.into())),
    };
    let target = view.target.as_deref().map(|target| format!(" → {target}")).unwrap_or_default();
    let workers =
        if view.workers > 1 { format!(" · {} workers", view.workers) } else { String::new() };
    Line::from(format!("{}{target} · {state} · {users}{workers}", view.scenario))
}

fn draw_progress(frame: &mut Frame<'_>, view: &RunView, area: Rect, colours: Colours) {
    let Some(length) = view.length.filter(|length| !length.is_zero()) else {
        let text = format!("{} · until it is stopped (Ctrl-C)", clock(view.elapsed));
        frame.render_widget(Paragraph::new(text), area);
        return;
    };
    let done = (view.elapsed.as_secs_f64() / length.as_secs_f64()).clamp(0.0, 1.0);
    let left = clock(length.saturating_sub(view.elapsed));
    let label = format!("{} of {} · {left} left", clock(view.elapsed.min(length)), clock(length));
    let gauge = Gauge::default()
        .ratio(done)
        .label(label)
        .use_unicode(true)
        .gauge_style(colours.style(Color::Blue));
    frame.render_widget(gauge, area);
}

fn draw_chart(frame: &mut Frame<'_>, view: &RunView, area: Rect, colours: Colours) {
    let [label, chart] =
        Layout::horizontal([Constraint::Length(22), Constraint::Min(10)]).areas(area);
    let wanted =
        view.rate_wanted.map(|wanted| format!("of {}/s", rate(wanted))).unwrap_or_default();
    let text = vec![Line::from(format!("{}/s", rate(view.window.rps))), Line::from(wanted)];
    frame.render_widget(Paragraph::new(text), label);
    let room = chart.width as usize;
    let from = view.history.len().saturating_sub(room);
    let rates: Vec<u64> =
        view.history[from..].iter().map(|point| point.rps.round() as u64).collect();
    frame.render_widget(Sparkline::default().data(rates).style(colours.style(Color::Cyan)), chart);
}

fn errors_line(view: &RunView, colours: Colours) -> Line<'static> {
    let total = &view.total;
    let failed = format!(
        "{} requests, {} failed ({})",
        grouped(total.requests),
        grouped(total.failures),
        percent(total.failure_ratio())
    );
    let style = if total.failures > 0 { colours.style(Color::Red) } else { Style::new() };
    let mut parts = vec![Span::styled(failed, style)];
    if let Some(error) = view.errors.first() {
        parts.push(Span::raw(format!(" · {} × {}", grouped(error.count), error_text(error))));
    }
    Line::from(parts)
}

fn threshold_lines(view: &RunView, colours: Colours, room: u16) -> Vec<Line<'static>> {
    // The broken ones matter when there is no room for all.
    let mut thresholds: Vec<_> = view.thresholds.iter().collect();
    thresholds.sort_by_key(|threshold| threshold.state != ThresholdState::Broken);
    let lines = thresholds.into_iter().take(room.into()).map(|threshold| {
        let (mark, colour) = match threshold.state {
            ThresholdState::Ok => ("✓", Color::Green),
            ThresholdState::Broken => ("✗", Color::Red),
            ThresholdState::NoData => ("·", Color::Yellow),
        };
        let value =
            threshold_value(threshold).map(|value| format!(" ({value})")).unwrap_or_default();
        Line::styled(format!("{mark} {}{value}", threshold.text), colours.style(colour))
    });
    lines.collect()
}

fn health_line(picture: &Picture<'_>, colours: Colours) -> Line<'static> {
    let Picture { view, away, .. } = picture;
    let mut bad: Vec<_> = away.map(super::line::away).into_iter().collect();
    if let Some(reason) = &view.generator.saturated {
        bad.push(format!("generator saturated: {reason}"));
    }
    if !bad.is_empty() {
        return Line::styled(format!("! {}", bad.join(" · ")), colours.style(Color::Red));
    }
    let lag = view
        .generator
        .start_lag_p99
        .map(|lag| format!(" · starts late p99 {} ms", millis(lag)))
        .unwrap_or_default();
    let dropped = match view.counters.dropped_arrivals {
        0 => String::new(),
        dropped => format!(" · {} arrivals dropped", grouped(dropped)),
    };
    Line::from(format!("generator: CPU {}{lag}{dropped}", percent(view.generator.cpu.min(1.0))))
}
