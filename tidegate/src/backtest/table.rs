//! Rows into a file: CSV, or one JSON object a line where the name ends in `.json` or `.jsonl`.

use anyhow::{Context, Result};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

enum Out {
    Csv(Box<csv::Writer<File>>),
    Json(BufWriter<File>),
}

/// A file that takes rows of one shape.
pub struct Table {
    out: Out,
    path: PathBuf,
}

impl Table {
    /// Creates `path`, or empties it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| cannot_write(path))?;
        let is_json = path.extension().is_some_and(|end| end == "json" || end == "jsonl");
        let out = if is_json {
            Out::Json(BufWriter::new(file))
        } else {
            Out::Csv(Box::new(csv::Writer::from_writer(file)))
        };
        Ok(Self { out, path: path.to_path_buf() })
    }

    /// Writes one row; a CSV file begins with the names of its fields.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, row: &impl Serialize) -> Result<()> {
        let written = match &mut self.out {
            Out::Csv(csv) => csv.serialize(row).map_err(anyhow::Error::from),
            Out::Json(out) => serde_json::to_writer(&mut *out, row)
                .map_err(anyhow::Error::from)
                .and_then(|()| Ok(out.write_all(b"\n")?)),
        };
        written.with_context(|| cannot_write(&self.path))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// If its last part cannot be written.
    pub fn finish(mut self) -> Result<()> {
        let flushed = match &mut self.out {
            Out::Csv(csv) => csv.flush(),
            Out::Json(out) => out.flush(),
        };
        flushed.with_context(|| cannot_write(&self.path))
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        zeta: u64,
        alpha: &'static str,
        none: Option<f64>,
    }

    fn written(name: &str) -> String {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join(name);
        let mut table = Table::create(&path).expect("created");
        for alpha in ["plain", "a \"b\", c"] {
            table.write(&Row { zeta: 7, alpha, none: None }).expect("written");
        }
        table.finish().expect("written");
        std::fs::read_to_string(path).expect("text")
    }

    #[test]
    fn csv_begins_with_the_names_in_their_order() {
        assert_eq!(written("t.csv"), "zeta,alpha,none\n7,plain,\n7,\"a \"\"b\"\", c\",\n");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = written("t.jsonl");
        assert_eq!(text.lines().next(), Some(r#"{"zeta":7,"alpha":"plain","none":null}"#));
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_is_named() {
        let error = Table::create(Path::new("/nowhere/t.csv")).err().expect("no such folder");
        assert!(error.to_string().contains("/nowhere/t.csv"), "{error}");
    }
}
