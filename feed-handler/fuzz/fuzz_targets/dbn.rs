//! Any bytes are DBN records or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_feed_handler::dbn_file::DbnReader;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut reader) = DbnReader::new(bytes) {
        while let Ok(true) = reader.read_record(|_| ()) {}
        assert!(reader.offset() <= bytes.len() as u64);
    }
});
