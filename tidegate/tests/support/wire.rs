//! A wire between two servers that can be held in either direction, so that a process is killed while what it sent, or was
//! to hear, is known to be under way.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// How often a held direction looks whether it is let go.
const LOOK: Duration = Duration::from_millis(2);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From whoever connected.
    Out = 0,
    /// To whoever connected.
    Back = 1,
}

#[derive(Debug, Default)]
struct State {
    /// What is held once it contains this, and everything after it.
    text: [Option<Vec<u8>>; 2],
    is_holding: [bool; 2],
    /// Connections of an older number are cut.
    cut: u64,
}

impl State {
    fn holds(&mut self, way: Way, bytes: &[u8]) -> bool {
        let way = way as usize;
        if let Some(text) = &self.text[way]
            && !self.is_holding[way]
        {
            let len = text.len().max(1);
            let is_there = bytes.windows(len).any(|window| window.starts_with(text));
            self.is_holding[way] = is_there;
        }
        self.is_holding[way]
    }
}

/// The wire.
#[derive(Clone, Debug)]
pub struct Wire {
    state: Arc<Mutex<State>>,
    pub port: u16,
}

impl Wire {
    /// Listens, and passes everything on to `to`. It ends with the runtime.
    pub fn to(to: u16) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        listener.set_nonblocking(true).expect("a socket can be");
        let listener = TcpListener::from_std(listener).expect("inside a runtime");
        let wire = Self { state: Arc::default(), port };
        let accepting = wire.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                // Without the far side the connection is closed again.
                if let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await {
                    accepting.join(near, far);
                }
            }
        });
        wire
    }

    fn join(&self, near: TcpStream, far: TcpStream) {
        let cut = self.state().cut;
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        tokio::spawn(self.clone().pass(Way::Out, near_in, far_out, cut));
        tokio::spawn(self.clone().pass(Way::Back, far_in, near_out, cut));
    }

    async fn pass(self, way: Way, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, cut: u64) {
        let mut bytes = [0; 1 << 14];
        let (mut pending, mut is_over) = (Vec::new(), false);
        loop {
            tokio::select! {
                read = from.read(&mut bytes), if !is_over => match read {
                    Ok(count) if count > 0 => pending.extend_from_slice(&bytes[..count]),
                    _ => is_over = true,
                },
                () = tokio::time::sleep(LOOK) => {}
            }
            let is_held = {
                let mut state = self.state();
                if state.cut > cut {
                    return;
                }
                state.holds(way, &pending)
            };
            if is_held {
                continue;
            }
            if to.write_all(&pending).await.is_err() || (is_over && way == Way::Back) {
                return;
            }
            // The far side is not told that the near one is gone: what is under way is still to be carried out.
            pending.clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// From the next bytes on that contain `text`, any if it is empty, nothing passes this way.
    pub fn hold(&self, way: Way, text: &str) {
        self.state().text[way as usize] = Some(text.into());
    }

    /// True if something is held.
    pub fn is_holding(&self, way: Way) -> bool {
        self.state().is_holding[way as usize]
    }

    /// What is held passes, and what comes after it.
    pub fn let_go(&self) {
        let mut state = self.state();
        *state = State { cut: state.cut, ..State::default() };
    }

    /// What is held is lost, and every connection broken; new ones pass.
    pub fn cut(&self) {
        let mut state = self.state();
        *state = State { cut: state.cut + 1, ..State::default() };
    }
}
