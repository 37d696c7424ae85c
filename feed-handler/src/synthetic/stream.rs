//! A session as bytes that are made when they are read, so that a long one needs no file.

use super::Session;
use crate::binary_file;
use std::io::{self, Read};

/// A session in BinaryFILE framing, with its end-of-session marker; what is read is what
/// [`write_session`](super::write_session) writes.
#[derive(Clone, Debug)]
pub struct Stream {
    session: Session,
    bytes: Vec<u8>,
    read: usize,
    is_over: bool,
}

impl Stream {
    /// The session from where it is.
    pub fn new(session: Session) -> Self {
        Self { session, bytes: Vec::new(), read: 0, is_over: false }
    }
}

impl Read for Stream {
    /// Gives one message at most: none is made before it is asked for.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.bytes.len() && !self.is_over {
            self.bytes.clear();
            self.read = 0;
            match self.session.next_message() {
                Some(message) => binary_file::write_frame(&mut self.bytes, message)?,
                None => {
                    self.is_over = true;
                    binary_file::write_end_of_session(&mut self.bytes)?;
                }
            }
        }
        let len = (&self.bytes[self.read..]).read(out)?;
        self.read += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Length, Parameters, write_session};
    use super::*;

    #[test]
    fn what_is_read_is_what_is_written() {
        let parameters = Parameters { length: Length::Messages(5_000), ..Default::default() };
        let session = Session::new(parameters).expect("in range");
        let (mut written, mut read) = (Vec::new(), Vec::new());
        write_session(session.clone(), &mut written, |_, _| {}).expect("memory");
        Stream::new(session).read_to_end(&mut read).expect("memory");
        assert!(written == read && !read.is_empty());
    }
}
