//! The picture: what is on the screen, from what was heard.

use super::{alert_text, cell, short, shown, steps, title, window_text};
use crate::cmd::stats::grouped;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};
use std::collections::VecDeque;
use tidegate_client::proto::{
    LatencyAlert, LatencyFigures, LatencyReport, LatencyWaterfall, LatencyWindow,
};

/// Alerts that are remembered; the screen shows as many as it has room for.
const ALERTS_MAX: usize = 16;
/// Colours of the steps of a waterfall, in turn.
const COLOURS: [Color; 6] =
    [Color::Cyan, Color::Green, Color::Yellow, Color::Magenta, Color::Blue, Color::Red];

/// What a key asks for beside a change of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// To end.
    End,
    /// Other measurements.
    Window(LatencyWindow),
}

/// What is shown.
#[derive(Debug)]
pub struct View {
    report: LatencyReport,
    alerts: VecDeque<LatencyAlert>,
    /// Why nothing is heard, if so.
    lost: Option<String>,
    /// Which of the slowest is drawn.
    chosen: usize,
    is_held: bool,
}

impl View {
    /// Of a first report.
    pub fn new(report: LatencyReport) -> Self {
        let mut view = Self {
            report: LatencyReport::default(),
            alerts: VecDeque::new(),
            lost: None,
            chosen: 0,
            is_held: false,
        };
        view.hear(Ok(report));
        view
    }

    /// Takes in what was heard.
    pub fn hear(&mut self, heard: Result<LatencyReport, String>) {
        match heard {
            Err(why) => self.lost = Some(why),
            Ok(report) => {
                self.lost = None;
                // A server that was started again counts from 1.
                if report.alerts_count < self.report.alerts_count {
                    self.alerts.clear();
                }
                let last = self.alerts.front().map_or(0, |alert| alert.number);
                for alert in report.alerts.iter().filter(|alert| alert.number > last) {
                    self.alerts.push_front(alert.clone());
                }
                self.alerts.truncate(ALERTS_MAX);
                if !self.is_held {
                    self.report = report;
                }
                self.choose(0);
            }
        }
    }

    /// The window that is not shown.
    pub fn other_window(&self) -> LatencyWindow {
        match LatencyWindow::try_from(self.report.window) {
            Ok(LatencyWindow::Minute) => LatencyWindow::Unspecified,
            _ => LatencyWindow::Minute,
        }
    }

    /// Holds the picture, or lets it go.
    pub fn hold(&mut self) {
        self.is_held = !self.is_held;
    }

    /// Chooses another of the slowest.
    pub fn choose(&mut self, by: isize) {
        let last = self.report.slowest.len().saturating_sub(1);
        self.chosen = self.chosen.saturating_add_signed(by).min(last);
    }
}

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let rows = shown(&view.report).count() as u16;
    let slowest = view.report.slowest.len().max(1) as u16;
    let steps =
        view.report.slowest.get(view.chosen).map_or(1, |slow| slow.steps.len().max(1)) as u16;
    let [head, table, spark, lower, alerts, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rows + 1),
        Constraint::Length(4),
        Constraint::Max(slowest.max(steps) + 1),
        Constraint::Min(2),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_head(frame, head, view);
    draw_table(frame, table, &view.report);
    draw_seconds(frame, spark, &view.report);
    let [list, fall] =
        Layout::horizontal([Constraint::Percentage(45), Constraint::Percentage(55)]).areas(lower);
    draw_slowest(frame, list, view);
    draw_waterfall(frame, fall, view.report.slowest.get(view.chosen));
    draw_alerts(frame, alerts, view);
    let keys_text = " q end   w window   ↑ ↓ choose an order   space hold ";
    frame.render_widget(Line::styled(keys_text, Style::new().fg(Color::DarkGray)), keys);
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// Red above the budget, yellow above half of it.
fn against(ns: u64, budget_ns: u64) -> Style {
    match budget_ns {
        0 => Style::new(),
        _ if ns > budget_ns => Style::new().fg(Color::Red),
        _ if ns > budget_ns / 2 => Style::new().fg(Color::Yellow),
        _ => Style::new().fg(Color::Green),
    }
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let report = &view.report;
    let mut line = vec![
        Span::styled(" tidegate latency ", bold()),
        Span::raw(format!("{}, {} inputs", window_text(report.window), grouped(report.traces))),
    ];
    if report.dropped > 0 {
        let dropped = format!(", {} not followed", grouped(report.dropped));
        line.push(Span::styled(dropped, Style::new().fg(Color::Yellow)));
    }
    if view.is_held {
        line.push(Span::styled("  held", Style::new().fg(Color::Yellow)));
    }
    if let Some(why) = &view.lost {
        line.push(Span::styled(format!("  nothing is heard: {why}"), Style::new().fg(Color::Red)));
    }
    frame.render_widget(Line::from(line), area);
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, report: &LatencyReport) {
    let names = ["", "count", "p50", "p90", "p99", "p99.9", "p99.99", "max", "budget", "breaches"];
    let right = |text: String| ratatui::text::Text::from(text).right_aligned();
    let head = Row::new(names.map(|name| right(name.to_string()))).style(bold());
    let row = |figures: &LatencyFigures| {
        let cell = |ns| right(cell(figures.count, ns)).style(against(ns, figures.budget_ns));
        let budget = if figures.budget_ns == 0 { "-".into() } else { short(figures.budget_ns) };
        let breaches = right(grouped(figures.breaches));
        let is_broken = figures.breaches > 0;
        Row::new([
            ratatui::text::Text::from(figures.name.clone()),
            right(grouped(figures.count)),
            cell(figures.p50_ns),
            cell(figures.p90_ns),
            cell(figures.p99_ns),
            cell(figures.p999_ns),
            cell(figures.p9999_ns),
            cell(figures.max_ns),
            right(budget),
            if is_broken { breaches.style(Style::new().fg(Color::Red)) } else { breaches },
        ])
    };
    let widths = [Constraint::Length(16), Constraint::Length(12)];
    let widths = widths.into_iter().chain([Constraint::Length(9); 8]);
    frame.render_widget(Table::new(shown(report).map(row), widths).header(head), area);
}

fn draw_seconds(frame: &mut Frame<'_>, area: Rect, report: &LatencyReport) {
    let worst = report.worst_by_second.iter().max().copied().unwrap_or(0);
    let title = format!(" slowest of each of the last 60 seconds, up to {} ", short(worst));
    let block = Block::new().title(Span::styled(title, bold()));
    // Each second as wide as there is room for.
    let wide = usize::from(area.width) / report.worst_by_second.len().max(1);
    let wide = wide.clamp(1, 3);
    let seconds = report.worst_by_second.iter().flat_map(|ns| std::iter::repeat_n(*ns, wide));
    let seconds: Vec<u64> = seconds.collect();
    let spark =
        Sparkline::default().block(block).data(&seconds).style(Style::new().fg(Color::Cyan));
    frame.render_widget(spark, area);
}

fn draw_slowest(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let block = Block::new().title(Span::styled(" slowest of the last minute ", bold()));
    let lines = view.report.slowest.iter().enumerate().map(|(at, slow)| {
        let is_chosen = at == view.chosen;
        let mark = if is_chosen { ">" } else { " " };
        let style = if is_chosen { bold() } else { Style::new() };
        Line::styled(format!("{mark}{:>9}  {}", short(slow.took_ns), title(slow)), style)
    });
    let lines: Vec<_> = match view.report.slowest.is_empty() {
        true => vec![Line::raw("  none")],
        false => lines.collect(),
    };
    // The chosen one stays in sight.
    let hidden = (view.chosen + 2).saturating_sub(usize::from(area.height)) as u16;
    frame.render_widget(Paragraph::new(lines).block(block).scroll((hidden, 0)), area);
}

fn draw_waterfall(frame: &mut Frame<'_>, area: Rect, slow: Option<&LatencyWaterfall>) {
    let Some(slow) = slow else { return };
    let title = format!(" {}, {} ", slow.path, short(slow.took_ns));
    let block = Block::new().title(Span::styled(title, bold()));
    let room = f64::from(area.width.saturating_sub(26));
    let (whole, mut passed) = (slow.took_ns.max(1) as f64, 0);
    let lines = steps(slow).zip(COLOURS.iter().cycle()).map(|((stage, ns), colour)| {
        let place = |ns: u64| (ns as f64 / whole * room) as usize;
        let (from, to) = (place(passed), place(passed + ns));
        passed += ns;
        // The shortest step is a line.
        let bar = if to > from { "█".repeat(to - from) } else { "▏".to_string() };
        Line::from(vec![
            Span::raw(format!("{stage:<15}{:>9} ", short(ns))),
            Span::raw(" ".repeat(from)),
            Span::styled(bar, Style::new().fg(*colour)),
        ])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}

fn draw_alerts(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let title = format!(" {} alerts ", grouped(view.report.alerts_count));
    let block = Block::new().title(Span::styled(title, bold()));
    let red = Style::new().fg(Color::Red);
    let lines: Vec<_> = view
        .alerts
        .iter()
        .map(|alert| Line::styled(format!(" {}", alert_text(alert)), red))
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

#[cfg(test)]
mod tests {
    use super::super::live::take;
    use super::super::tests::report;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    fn screen(view: &View, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
        terminal.draw(|frame| draw(frame, view)).expect("it is drawn");
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| row(y).trim_end().to_string()).collect()
    }

    #[test]
    fn the_screen_shows_figures_seconds_waterfall_and_alerts() {
        let rows = screen(&View::new(report()), 120, 24);
        let expected = include_str!("screen.txt");
        assert_eq!(rows.join("\n").trim_end(), expected.trim_end(), "\n{}", rows.join("\n"));
    }

    #[test]
    fn any_size_of_screen_is_drawn() {
        for (width, height) in [(1, 1), (20, 5), (80, 24), (200, 60), (300, 3)] {
            screen(&View::new(report()), width, height);
            screen(&View::new(LatencyReport::default()), width, height);
        }
    }

    #[test]
    fn keys_do_what_the_last_line_says() {
        let mut view = View::new(report());
        let press = |view: &mut View, code, modifiers| take(view, KeyEvent::new(code, modifiers));
        let none = KeyModifiers::NONE;
        assert_eq!(press(&mut view, KeyCode::Char('q'), none), Some(Held::End));
        assert_eq!(press(&mut view, KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Held::End));
        assert_eq!(press(&mut view, KeyCode::Char('c'), none), None);
        let minute = Some(Held::Window(LatencyWindow::Minute));
        assert_eq!(press(&mut view, KeyCode::Char('w'), none), minute);
        assert_eq!(press(&mut view, KeyCode::Down, none), None);
        assert_eq!(view.chosen, 0, "there is one only");
        let mut more = report();
        more.slowest.push(more.slowest[0].clone());
        view.hear(Ok(more));
        press(&mut view, KeyCode::Down, none);
        assert_eq!(view.chosen, 1);
        press(&mut view, KeyCode::Char(' '), none);
        view.hear(Ok(LatencyReport::default()));
        assert_eq!((view.report.slowest.len(), view.chosen), (2, 1), "it is held");
        press(&mut view, KeyCode::Char(' '), none);
        view.hear(Ok(LatencyReport::default()));
        assert_eq!((view.report.slowest.len(), view.chosen), (0, 0));
        assert!(view.alerts.is_empty(), "another server's alerts are not this one's");
    }

    #[test]
    fn a_server_that_is_gone_is_said_and_the_last_picture_stays() {
        let mut view = View::new(report());
        view.hear(Err("cannot connect".into()));
        let rows = screen(&view, 120, 24);
        assert!(rows[0].contains("nothing is heard: cannot connect"), "{}", rows[0]);
        assert!(rows.iter().any(|row| row.contains("12,345")));
    }
}
