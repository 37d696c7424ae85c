//! Text, line by line, in bounded memory.

use crate::error::Error;
use std::io::{BufRead, BufReader, Read};

/// Bytes of the longest line: a snapshot of 5,000 levels on either side has 300 kB.
pub const LINE_LEN_MAX: usize = 1 << 20;
/// Bytes read ahead.
const BUFFER_LEN: usize = 256 * 1024;

/// Reads lines of a stream.
pub struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    lines: u64,
    bytes: u64,
}

impl<R: Read> Lines<R> {
    /// Reads `input`, which is not compressed.
    pub fn new(input: R) -> Self {
        let input = BufReader::with_capacity(BUFFER_LEN, input);
        Self { input, line: Vec::new(), lines: 0, bytes: 0 }
    }

    /// Lines read so far, which is the number of the last one.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line, without its end; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Line`] for a line that is too long or no text.
    pub fn next_line(&mut self) -> Result<Option<&str>, Error> {
        self.line.clear();
        let mut bounded = self.input.by_ref().take(LINE_LEN_MAX as u64 + 1);
        let read = match bounded.read_until(b'\n', &mut self.line) {
            Ok(0) => return Ok(None),
            Ok(read) => read,
            Err(cause) => {
                return Err(Error::Read { offset: self.bytes, message: self.lines + 1, cause });
            }
        };
        self.bytes += read as u64;
        self.lines += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read > LINE_LEN_MAX {
            return Err(wrong(self.lines, format!("it has more than {LINE_LEN_MAX} bytes")));
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        match std::str::from_utf8(&self.line) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(wrong(self.lines, format!("it is no text: {error}"))),
        }
    }
}

/// The error of a line.
pub(crate) fn wrong(line: u64, reason: impl Into<String>) -> Error {
    Error::Line { line, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_systems_end_them_and_are_bounded() {
        let read = |bytes: &[u8]| -> (Vec<String>, Option<String>) {
            let mut lines = Lines::new(bytes);
            let mut found = Vec::new();
            loop {
                match lines.next_line() {
                    Ok(Some(line)) => found.push(line.to_string()),
                    Ok(None) => return (found, None),
                    Err(error) => return (found, Some(error.to_string())),
                }
            }
        };
        let check = |bytes: &[u8], want: &[&str]| {
            assert_eq!(read(bytes), (want.iter().map(|line| line.to_string()).collect(), None));
        };
        check(b"", &[]);
        check(b"\n", &[""]);
        check(b"a\r\n\nb", &["a", "", "b"]);
        let long = vec![b'x'; LINE_LEN_MAX];
        assert_eq!(read(&long).0[0].len(), LINE_LEN_MAX);
        let error = read(&[b"a\n".as_slice(), &long, b"x\n"].concat()).1;
        assert_eq!(error.as_deref(), Some("line 2: it has more than 1048576 bytes"));
        let error = read(b"a\n\xff\n").1.expect("no text");
        assert!(error.starts_with("line 2: it is no text"), "{error}");
    }
}
