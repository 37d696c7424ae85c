//! Mails to people: into files of a folder, or out by SMTP. Who asks for one does not wait for it.

use crate::config;
use anyhow::{Context, Result};
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Mails that wait to be sent; beyond, they are dropped, and asked for again.
const WAITING_MAX: usize = 1_000;
/// Characters of a line that may be sent as it is (RFC 5322, 2.1.1).
const LINE_LEN_MAX: usize = 998;
/// How often a mail is tried, and how long after the first failure it is tried again; then four times as long.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);
/// Mails that are on their way by SMTP at one time: one that waits holds up no other.
const AT_ONCE: usize = 16;

/// A mail. It holds a token, so it has no `Debug`.
pub struct Mail {
    /// The address.
    pub to: String,
    /// One line.
    pub subject: &'static str,
    /// Plain text.
    pub text: String,
}

/// Sends mails.
#[derive(Clone, Debug)]
pub struct Mailer {
    queue: mpsc::Sender<Mail>,
}

enum Way {
    Folder(PathBuf),
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
}

impl Way {
    async fn send(&self, message: &Message) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                let name = format!("{}-{}.eml", crate::now_ms(), uuid::Uuid::new_v4().simple());
                let (path, bytes) = (folder.join(name), message.formatted());
                tokio::task::spawn_blocking(move || write(&path, &bytes)).await??;
            }
            Self::Smtp(transport) => {
                transport.send(message.clone()).await?;
            }
        }
        Ok(())
    }
}

/// Writes a mail that others cannot read, all of it or nothing.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let unfinished = path.with_extension("part");
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    std::io::Write::write_all(&mut file, bytes)?;
    std::fs::rename(&unfinished, path)?;
    Ok(())
}

impl Mailer {
    /// Begins to send, the way that the configuration says: by SMTP, or into files of `folder`.
    ///
    /// # Errors
    /// A URL or an address that is none, a folder that cannot be made.
    pub fn open(config: &config::Mail, folder: &Path) -> Result<Self> {
        let from: Mailbox = config.from.parse().context("mail.from is no address")?;
        let url = match config.smtp.is_empty() {
            true => std::env::var("TIDEGATE_SMTP").unwrap_or_default(),
            false => config.smtp.clone(),
        };
        let way = match url.is_empty() {
            true => {
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
                made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
                Way::Folder(folder.into())
            }
            false => {
                // The URL may hold a password: the cause is not shown.
                let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url);
                let transport = transport.map_err(|_| anyhow::anyhow!("mail.smtp is no URL"))?;
                Way::Smtp(Box::new(transport.build()))
            }
        };
        let (queue, mails) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(way, from, mails));
        Ok(Self { queue })
    }

    /// Sends a mail, soon. What cannot be sent is told in the log, without its text.
    pub fn send(&self, mail: Mail) {
        if let Err(error) = self.queue.try_send(mail) {
            let mail = error.into_inner();
            tracing::error!("too many mails wait: dropped one to {}, '{}'", mail.to, mail.subject);
        }
    }
}

async fn run(way: Way, from: Mailbox, mut mails: mpsc::Receiver<Mail>) {
    let at_once = if matches!(way, Way::Smtp(_)) { AT_ONCE } else { 1 };
    let (way, turns) = (Arc::new(way), Arc::new(Semaphore::new(at_once)));
    while let Some(Mail { to, subject, text }) = mails.recv().await {
        let message = to.parse().map_err(anyhow::Error::from).and_then(|to: Address| {
            let to = Mailbox::new(None, to);
            let message = Message::builder().from(from.clone()).to(to).subject(subject);
            // As it is where that is allowed, so that a token can be copied out of a file.
            let is_plain = text.is_ascii() && text.lines().all(|line| line.len() <= LINE_LEN_MAX);
            let body = match is_plain {
                true => {
                    let bytes = text.replace('\n', "\r\n").into_bytes();
                    Body::dangerous_pre_encoded(bytes, ContentTransferEncoding::SevenBit)
                }
                false => Body::new(text),
            };
            Ok(message.header(ContentType::TEXT_PLAIN).body(body)?)
        });
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                tracing::error!("no mail can be written to {to}: {error}");
                continue;
            }
        };
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let way = Arc::clone(&way);
        tokio::spawn(async move {
            deliver(&way, &message, &to, subject).await;
            drop(turn);
        });
    }
}

/// Sends one mail, again after a while where that may help.
async fn deliver(way: &Way, message: &Message, to: &str, subject: &str) {
    let mut pause = PAUSE;
    for tries in 1..=TRIES {
        match way.send(message).await {
            Ok(()) => return,
            Err(error) if tries == TRIES || is_permanent(&error) => {
                tracing::error!("a mail to {to}, '{subject}', cannot be sent: {error:#}");
                return;
            }
            Err(error) => {
                tracing::warn!("a mail to {to} waits {pause:?}: {error:#}");
                tokio::time::sleep(pause).await;
                pause *= 4;
            }
        }
    }
}

/// Whether the server refused for good (RFC 5321, 4.2.1: 5yz).
fn is_permanent(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<lettre::transport::smtp::Error>();
    error.is_some_and(lettre::transport::smtp::Error::is_permanent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};

    /// Takes one mail as RFC 5321 has it; refuses any to nobody, for good.
    fn take(listener: &TcpListener) -> String {
        let (stream, _) = listener.accept().expect("a client");
        converse(stream)
    }

    fn converse(stream: TcpStream) -> String {
        let mut lines = BufReader::new(stream.try_clone().expect("a twin")).lines();
        let (mut out, mut mail) = (stream, String::new());
        let mut say = |text: &str| write!(out, "{text}\r\n").expect("sent");
        say("220 here");
        while let Some(Ok(line)) = lines.next() {
            match line.split(' ').next().unwrap_or_default() {
                "DATA" => {
                    say("354 go on");
                    for line in lines.by_ref().map_while(Result::ok).take_while(|line| line != ".")
                    {
                        mail += &format!("{line}\n");
                    }
                    say("250 taken");
                }
                "QUIT" => {
                    say("221 bye");
                    break;
                }
                "RCPT" if line.contains("nobody@") => {
                    mail += &format!("{line}\n");
                    say("550 there is none");
                }
                _ => {
                    mail += &format!("{line}\n");
                    say("250 fine");
                }
            }
        }
        mail
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_mail_goes_out_by_smtp_and_one_that_cannot_be_written_does_not_stop_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("smtp://{}", listener.local_addr().expect("bound"));
        let config = config::Mail { smtp: url, ..Default::default() };
        let mailer = Mailer::open(&config, Path::new("/nowhere")).expect("open");
        let send = |to: &str, text: &str| {
            mailer.send(Mail { to: to.into(), subject: "A subject", text: text.into() });
        };
        send("no address", "lost");
        send("ann@example.org", "tgv_1.2.3\n");
        let mail = tokio::task::spawn_blocking(move || take(&listener)).await.expect("no panic");
        for part in
            ["RCPT TO:<ann@example.org>", "Subject: A subject", "tgv_1.2.3", "tidegate@localhost"]
        {
            assert!(mail.contains(part), "{mail}");
        }
        assert!(!mail.contains("lost"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_waits_holds_up_no_other_and_what_is_refused_for_good_is_not_tried_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("smtp://{}", listener.local_addr().expect("bound"));
        let config = config::Mail { smtp: url, ..Default::default() };
        let mailer = Mailer::open(&config, Path::new("/nowhere")).expect("open");
        let (heard, conversations) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // The first is never answered.
            let _silent = listener.accept().expect("a client");
            loop {
                let (stream, _) = listener.accept().expect("a client");
                let heard = heard.clone();
                std::thread::spawn(move || heard.send(converse(stream)));
            }
        });
        let send = |to: &str| {
            mailer.send(Mail { to: to.into(), subject: "A subject", text: "tgv_1\n".into() });
        };
        send("slow@example.org");
        tokio::time::sleep(Duration::from_millis(200)).await;
        send("nobody@example.org");
        send("ann@example.org");
        let mut all = Vec::new();
        tokio::time::sleep(PAUSE + Duration::from_secs(1)).await;
        all.extend(conversations.try_iter());
        let count = |to: &str| all.iter().filter(|mail| mail.contains(to)).count();
        assert_eq!((count("ann@"), count("nobody@")), (1, 1), "{all:#?}");
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused_without_telling_the_password() {
        for config in [
            config::Mail { from: "nobody".into(), ..Default::default() },
            config::Mail { smtp: "mail://u:hunter2@host".into(), ..Default::default() },
        ] {
            let error = Mailer::open(&config, Path::new("/nowhere")).expect_err("refused");
            assert!(!format!("{error:#} {config:?}").contains("hunter2"), "{error:#}");
        }
    }
}
