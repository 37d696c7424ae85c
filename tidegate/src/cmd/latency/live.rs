//! The live view: a thread hears the server, the main thread draws and takes keys.

use super::view::{Held, View, draw};
use crate::cmd::run::stop_on_signal;
use crate::remote::ServerArgs;
use anyhow::{Context, Result};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tidegate_client::proto::{LatencyReport, LatencyWindow, StreamLatencyRequest};
use tidegate_client::{Client, ClientError};
use tokio::sync::watch;

/// How often the server tells.
const INTERVAL_MS: u32 = 500;
/// How long a key is waited for before the picture is drawn again.
const KEY_WAIT: Duration = Duration::from_millis(100);
/// How long a connection that broke is left alone.
const RECONNECT_WAIT: Duration = Duration::from_secs(1);

/// What the server said, or why it says nothing.
type Heard = Result<Box<LatencyReport>, String>;

/// Shows what the server tells until somebody ends it. The terminal is put back however that is.
pub fn run(server: ServerArgs, first: LatencyReport) -> Result<()> {
    let stop = stop_on_signal()?;
    let window = LatencyWindow::try_from(first.window).unwrap_or_default();
    let (windows, asked) = watch::channel(window);
    let (sender, heard) = channel();
    let hear = move || {
        let told = sender.clone();
        let asked = |client: Client| async move {
            hear(client, asked, &sender).await;
            Ok::<_, ClientError>(())
        };
        if let Err(error) = server.ask(asked) {
            let _ = told.send(Err(format!("{error:#}")));
        }
    };
    std::thread::Builder::new()
        .name("hearing".into())
        .spawn(hear)
        .context("cannot start a thread")?;
    let view = View::new(first);
    // It sets a panic hook that restores the terminal first.
    let mut terminal = ratatui::try_init().context("cannot take over the terminal")?;
    let shown = show(&mut terminal, view, &heard, &windows, &stop);
    ratatui::try_restore().context("cannot restore the terminal")?;
    shown
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    mut view: View,
    heard: &Receiver<Heard>,
    windows: &watch::Sender<LatencyWindow>,
    stop: &AtomicBool,
) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        heard.try_iter().for_each(|heard| view.hear(heard.map(|report| *report)));
        terminal.draw(|frame| draw(frame, &view)).context("cannot draw on the terminal")?;
        if !event::poll(KEY_WAIT)? {
            continue;
        }
        if let Event::Key(key) = event::read()?
            && let Some(held) = take(&mut view, key)
        {
            match held {
                Held::End => return Ok(()),
                Held::Window(window) => windows.send_replace(window),
            };
        }
    }
    Ok(())
}

/// What a key asks for.
pub(super) fn take(view: &mut View, key: KeyEvent) -> Option<Held> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Some(Held::End),
        // In this mode the terminal makes no signal of it.
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
            return Some(Held::End);
        }
        KeyCode::Char('w') => return Some(Held::Window(view.other_window())),
        KeyCode::Char(' ') => view.hold(),
        KeyCode::Up | KeyCode::Char('k') => view.choose(-1),
        KeyCode::Down | KeyCode::Char('j') => view.choose(1),
        _ => {}
    }
    None
}

/// Passes on what the server tells, over disconnects, until nobody listens.
async fn hear(client: Client, mut asked: watch::Receiver<LatencyWindow>, told: &Sender<Heard>) {
    loop {
        let window = *asked.borrow_and_update();
        let request = StreamLatencyRequest { window: window.into(), interval_ms: INTERVAL_MS };
        let mut stream = match client.stream_latency(request).await {
            Ok(stream) => stream,
            Err(error) => {
                if told.send(Err(error.to_string())).is_err() {
                    return;
                }
                tokio::time::sleep(RECONNECT_WAIT).await;
                continue;
            }
        };
        loop {
            let heard = tokio::select! {
                message = stream.message() => match message {
                    Ok(Some(report)) => Ok(Box::new(report)),
                    Ok(None) => Err("the server ended the stream".to_string()),
                    Err(status) => Err(status.message().to_string()),
                },
                changed = asked.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
            };
            let is_over = heard.is_err();
            if told.send(heard).is_err() {
                return;
            }
            if is_over {
                tokio::time::sleep(RECONNECT_WAIT).await;
                break;
            }
        }
    }
}
